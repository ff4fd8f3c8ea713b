#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// Ops besides convolution: the same numbers as reference evaluation, by kernels of our own.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

void check(const std::string& text, uint64_t seed = 1, double absolute = 1e-4, bool all_native = true) {
  SCOPED_TRACE(text);
  Graph graph = parse_text(text);
  auto inputs = random_inputs(graph, seed);
  auto expected = evaluate(graph, inputs);
  for (int threads : {1, 3}) {
    Session session(load(graph, {.device = "cpu", .threads = threads}));
    for (int round = 0; round < 2; ++round) {
      auto got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i)
        expect_near(got[i], expected[i], 1e-4, absolute, fmt::format("threads {} output {}", threads, i));
    }
    for (const StepInfo& step : session.plan()->steps())
      if (all_native)
        EXPECT_FALSE(step.kernel.starts_with("reference")) << step.node << " " << step.op << " " << step.shape;
  }
}

/// A graph that computes `body` of %x, once in floats and once between 8-bit values.
void check_both(const std::string& shape, const std::string& constants, const std::string& body, uint64_t seed) {
  std::string head = fmt::format("graph \"g\" {{\n input %x: f32{}\n{}\n", shape, constants);
  check(fmt::format("{}%d = Identity(%x)\n{}\noutput \"y\" = %r\n}}", head, body), seed);
  std::string codes =
      "const %s: f32[] = [0.01]\nconst %z: u8[] = [120]\nconst %so: f32[] = [0.02]\nconst %zo: u8[] = [100]\n";
  check(fmt::format("{}{}%q = QuantizeLinear(%x, %s, %z)\n%d = DequantizeLinear(%q, %s, %z)\n{}\n"
                    "%o = QuantizeLinear(%r, %so, %zo)\n%y = DequantizeLinear(%o, %so, %zo)\noutput \"y\" = %y\n}}",
                    head, codes, body),
        seed, 0.0201);
}

TEST(NativeKernels, ResizeInEveryMode) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    int64_t h = random.integer(1, 9), w = random.integer(1, 9), c = random.integer(1, 20), oh = random.integer(1, 20),
            ow = random.integer(1, 20);
    std::string mode = random.pick<std::string>({"nearest", "linear", "linear", "cubic"});
    std::string transform =
        random.pick<std::string>({"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"});
    std::string attributes = fmt::format(
        "{{mode=\"{}\", coordinate_transformation_mode=\"{}\", nearest_mode=\"{}\", antialias={}}}", mode, transform,
        random.pick<std::string>({"floor", "round_prefer_floor"}), mode == "linear" ? random.integer(0, 1) : 0);
    std::string constants =
        fmt::format("const %w: f32[{0}, {0}, 1, 1] = random(3)\nconst %sizes: i64[4] = [2, {0}, {1}, {2}]", c, oh, ow);
    std::string shape = fmt::format("[2, {}, {}, {}]", c, h, w);
    std::string resize = fmt::format("%r = Resize(%d, _, _, %sizes) {}", attributes);
    check_both(shape, constants, resize, seed);
    check(fmt::format(
              "graph \"g\" {{\n input %x: f32{}\n{}\n%d = Conv(%x, %w)\n{}\n%y = Conv(%r, %w)\noutput \"y\" = %y\n}}",
              shape, constants, resize),
          seed);
  }
}

TEST(NativeKernels, TransposedConvolutionsBecomeConvolutions) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    int64_t group = random.pick<int64_t>({1, 1, 1, 2}), in = group * random.integer(1, 9),
            out = group * random.integer(1, 9);
    int64_t kernel = random.integer(1, 5), stride = random.integer(1, 3),
            pad = random.integer(0, std::min<int64_t>(kernel - 1, 2));
    int64_t extra = stride > 1 ? random.integer(0, stride - 1) : 0;
    std::string w = fmt::format("const %w: f32[{}, {}, {}, {}] = random({})\nconst %b: f32[{}] = random(2)", in,
                                out / group, kernel, kernel, seed + 1, out);
    std::string node = fmt::format(
        "%c = ConvTranspose(%d, %w, %b) {{group={}, strides=[{}, {}], pads=[{}, {}, {}, {}], output_padding=[{}, "
        "{}]}}\n"
        "%r = Relu(%c)",
        group, stride, stride, pad, pad, pad, pad, extra, extra);
    std::string shape = fmt::format("[2, {}, {}, {}]", in, random.integer(3, 8), random.integer(3, 8));
    check(fmt::format("graph \"g\" {{\n input %x: f32{}\n{}\n%d = Identity(%x)\n{}\noutput \"y\" = %r\n}}", shape, w,
                      node),
          seed);
    if (group > 1) continue;
    std::string quantized = fmt::format(
        "const %wi: i8[{}, {}, {}, {}] = random({})\nconst %ws: f32[{}] = fill(0.004)\nconst %b: f32[{}] = random(2)\n"
        "const %s: f32[] = [0.01]\nconst %z: u8[] = [120]\nconst %so: f32[] = [0.03]\nconst %zo: u8[] = [0]",
        in, out, kernel, kernel, seed + 1, out, out);
    check(
        fmt::format(
            "graph \"g\" {{\n input %x: f32{}\n{}\n%q = QuantizeLinear(%x, %s, %z)\n%d = DequantizeLinear(%q, %s, %z)\n"
            "%w = DequantizeLinear(%wi, %ws) {{axis=1}}\n{}\n%o = QuantizeLinear(%r, %so, %zo)\n"
            "%y = DequantizeLinear(%o, %so, %zo)\noutput \"y\" = %y\n}}",
            shape, quantized, node),
        seed, 0.0301);
  }
}

TEST(NativeKernels, MovesInEitherLayout) {
  const char* constants = R"(
    const %w: f32[12, 12, 1, 1] = random(3)
    const %starts: i64[2] = [1, -2]
    const %ends: i64[2] = [11, -9]
    const %axes: i64[2] = [1, 3]
    const %steps: i64[2] = [3, -2]
    const %groups: i64[5] = [2, 3, 4, 6, 7]
    const %groups4: i64[4] = [2, 4, 3, 42]
    const %back: i64[4] = [2, 12, 6, 7]
    const %cut: i64[3] = [12, 2, 42]
    const %parts: i64[5] = [2, 2, 6, 6, 7]
    const %one: i64[] = [1]
    const %picks: i64[3] = [5, -1, 5])";
  uint64_t seed = 1;
  for (const char* body :
       {"%r = Slice(%d, %starts, %ends, %axes, %steps)", "%r = Transpose(%d) {perm=[2, 0, 3, 1]}",
        "%g = Reshape(%d, %groups)\n%t = Transpose(%g) {perm=[0, 2, 1, 3, 4]}\n%r = Reshape(%t, %back)",
        "%g = Reshape(%d, %groups4)\n%t = Transpose(%g) {perm=[0, 2, 1, 3]}\n%r = Reshape(%t, %back)",
        "%g = Reshape(%d, %cut)\n%t = Transpose(%g) {perm=[1, 0, 2]}\n%p = Reshape(%t, %parts)\n%r = Gather(%p, %one)",
        "%r = Gather(%d, %picks) {axis=1}", "%a, %r = Split(%d) {axis=1, num_outputs=2}",
        "%r = Concat(%d, %d) {axis=1}", "%r = SpaceToDepth(%d) {blocksize=1}", "%r = DepthToSpace(%d) {blocksize=2}",
        "%r = DepthToSpace(%d) {blocksize=2, mode=\"CRD\"}"}) {
    check_both("[2, 12, 6, 7]", constants, body, seed);
    check(fmt::format("graph \"g\" {{\n input %x: f32[2, 12, 6, 7]\n{}\n%d = Conv(%x, %w)\n{}\noutput \"y\" = %r\n}}",
                      constants, body),
          seed++);
  }
  check(
      "graph \"g\" {\n input %x: f32[3, 1, 5]\nconst %to: i64[4] = [2, 3, 4, 5]\n%y = Expand(%x, %to)\noutput \"y\" = "
      "%y\n}");
}

TEST(NativeKernels, ElementwiseWithAnyBroadcast) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Dims a, b;
    for (int64_t i = random.integer(1, 4); i > 0; --i) {
      int64_t size = random.pick<int64_t>({1, 2, 3, 17});
      a.push_back(random.integer(0, 3) ? size : 1), b.push_back(random.integer(0, 3) ? size : 1);
    }
    if (random.integer(0, 2) == 0) b.erase(b.begin());
    std::string op = random.pick<std::string>({"Add", "Sub", "Mul", "Max", "Min"});
    check(fmt::format("graph \"g\" {{\n input %x: f32{}\n input %z: f32{}\n%s = {}(%x, %z)\n%y = Sigmoid(%s)\noutput "
                      "\"y\" = %y\n}}",
                      to_string(a), to_string(b), op),
          seed, 1e-4, false);
  }
  const char* constants =
      "const %slope: f32[5, 1, 1] = random(1)\nconst %k: f32[1, 5, 1, 1] = random(2)\nconst %n: f32[5, 1, 1] = "
      "random(3)";
  check_both("[2, 5, 4, 3]", constants, "%r = PRelu(%d, %slope)", 1);
  check_both("[2, 5, 4, 3]", constants, "%m = Mul(%d, %k)\n%a = Add(%m, %n)\n%r = Relu(%a)", 2);
  for (const char* op : {"Exp", "Abs", "Neg", "Sigmoid", "HardSwish", "Tanh", "Elu", "Mish", "Softplus"})
    check(fmt::format("graph \"g\" {{\n input %x: f32[2, 5, 4, 3]\n%y = {}(%x)\noutput \"y\" = %y\n}}", op), 3, 1e-5,
          std::string(op) != "Softplus");
  check("graph \"g\" {\n input %x: f32[2, 5]\n%e = Exp(%x)\n%s = Sqrt(%e)\n%y = Reciprocal(%s)\noutput \"y\" = %y\n}");
}

TEST(NativeKernels, ReductionsAndNormalization) {
  for (const char* op :
       {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceSumSquare"})
    for (const char* axes : {"[1]", "[-1]", "[2, 3]", "[1, 2, 3]"})
      for (int keep : {0, 1})
        for (bool conv : {false, true}) {
          std::string count = std::to_string(std::count(axes, axes + std::strlen(axes), ',') + 1);
          check(fmt::format("graph \"g\" {{\n input %x: f32[2, 5, 6, 7]\nconst %w: f32[5, 5, 1, 1] = random(3)\nconst "
                            "%axes: i64[{}] = {}\n"
                            "%d = {}\n%y = {}(%d, %axes) {{keepdims={}}}\noutput \"y\" = %y\n}}",
                            count, axes, conv ? "Conv(%x, %w)" : "Relu(%x)", op, keep),
                4);
        }
  check("graph \"g\" {\n input %x: f32[2, 5, 30]\nconst %s: f32[30] = random(1)\nconst %b: f32[30] = random(2)\n"
        "%y = LayerNormalization(%x, %s, %b)\noutput \"y\" = %y\n}");
  check("graph \"g\" {\n input %x: f32[2, 5, 6]\nconst %s: f32[5, 6] = random(1)\n"
        "%y = LayerNormalization(%x, %s) {axis=1}\noutput \"y\" = %y\n}");
}

TEST(NativeKernels, BatchedMatrixProducts) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    int64_t m = random.integer(1, 60), k = random.integer(1, 40), n = random.integer(1, 90), h = random.integer(1, 3);
    for (auto [a, b] :
         std::vector<std::pair<std::string, std::string>>{{fmt::format("[2, {}, ", h), fmt::format("[2, {}, ", h)},
                                                          {fmt::format("[2, {}, ", h), "[2, 1, "},
                                                          {fmt::format("[1, {}, ", h), "[2, 1, "},
                                                          {"[3, ", "["},
                                                          {"[", "[4, "}})
      check(fmt::format("graph \"g\" {{\n input %a: f32{}{}, {}]\n input %b: f32{}{}, {}]\n%y = MatMul(%a, %b)\noutput "
                        "\"y\" = %y\n}}",
                        a, m, k, b, k, n),
            seed, 1e-3);
  }
}

}  // namespace
}  // namespace hone
