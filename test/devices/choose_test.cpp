#include <gtest/gtest.h>

#include <limits>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// Padding, normalizations, comparisons and positions of extremes: the numbers of reference evaluation, by kernels of
/// our own.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

void check(const std::string& text, std::vector<Tensor> inputs, double tolerance = 1e-5) {
  SCOPED_TRACE(text);
  Graph graph = parse_text(text);
  auto expected = evaluate(graph, inputs);
  for (int threads : {1, 3}) {
    Session session(load(graph, {.device = "cpu", .threads = threads, .autotune = false}));
    for (int round = 0; round < 2; ++round) {
      auto got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i)
        expect_near(got[i], expected[i], tolerance, tolerance, fmt::format("threads {} output {}", threads, i));
    }
    for (const StepInfo& step : session.plan()->steps())
      EXPECT_FALSE(step.kernel.starts_with("reference")) << step.node << " " << step.op << " " << step.shape;
  }
}
void check(const std::string& text, uint64_t seed = 1, double tolerance = 1e-5) {
  check(text, random_inputs(parse_text(text), seed), tolerance);
}

std::string graph_of(const std::string& type, const Dims& dims, const std::string& body) {
  return fmt::format("graph \"g\" {{\n input %x: {}{}\n{}\noutput \"y\" = %y\n}}", type, to_string(dims), body);
}

Dims random_dims(Random& random, int64_t rank, int64_t most) {
  Dims dims;
  for (int64_t i = 0; i < rank; ++i) dims.push_back(random.integer(1, most));
  return dims;
}

TEST(Choose, PadInEveryMode) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    int64_t rank = random.integer(1, 5);
    Dims dims = random_dims(random, rank, 9), pads(static_cast<size_t>(2 * rank), 0);
    std::string mode = random.pick<std::string>({"constant", "reflect", "edge", "wrap"});
    for (int64_t i = 0; i < rank; ++i) {
      if (random.integer(0, 1)) continue;
      auto at = static_cast<size_t>(i), end = static_cast<size_t>(i + rank);
      int64_t most = mode == "reflect" ? dims[at] - 1 : 5;
      pads[at] = random.integer(dims[at] > 2 ? -1 : 0, most), pads[end] = random.integer(dims[at] > 2 ? -1 : 0, most);
    }
    std::string type = random.pick<std::string>({"f32", "f32", "u8", "i64"});
    std::string value = mode == "constant" && random.integer(0, 1) ? fmt::format("const %v: {}[] = [3]\n", type) : "";
    check(graph_of(type, dims,
                   fmt::format("const %p: i64[{}] = {}\n{}%y = Pad(%x, %p{}) {{mode=\"{}\"}}", pads.size(),
                               to_string(pads), value, value.empty() ? "" : ", %v", mode)),
          seed, 0);
  }
}

TEST(Choose, PadBetweenConvolutionsNeedsNoTranspose) {
  for (const char* mode : {"reflect", "edge", "constant"}) {
    std::string text = graph_of(
        "f32", {2, 3, 8, 9},
        fmt::format(
            "const %w: f32[5, 3, 3, 3] = random(1)\nconst %v: f32[4, 5, 3, 3] = random(2)\nconst %p: i64[8] = [0, 0, "
            "1, 2, 0, 0, 2, 0]\n"
            "const %f: f32[] = [0.5]\n%a = Conv(%x, %w)\n%b = Pad(%a, %p, %f) {{mode=\"{}\"}}\n%y = Conv(%b, %v)",
            mode));
    check(text, 3, 1e-4);
    Session session(load(parse_text(text), {.threads = 1, .autotune = false}));
    session.run(random_inputs(parse_text(text), 3));
    int transposes = 0;
    for (const StepInfo& step : session.plan()->steps()) transposes += step.op == "Transpose";
    EXPECT_EQ(transposes, 2) << "of the input and the output, " << mode;
  }
}

TEST(Choose, SoftmaxOverAnyAxis) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    Dims dims = random_dims(random, random.integer(1, 4), random.pick<int64_t>({3, 17, 40}));
    int64_t axis = random.integer(-static_cast<int64_t>(dims.size()), static_cast<int64_t>(dims.size()) - 1);
    check(graph_of("f32", dims,
                   fmt::format("%y = {}(%x) {{axis={}}}", random.pick<std::string>({"Softmax", "LogSoftmax"}), axis)),
          seed);
  }
}

TEST(Choose, GroupInstanceAndLocalResponseNormalization) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    int64_t groups = random.integer(1, 4), channels = groups * random.integer(1, 30);
    Dims dims = random_dims(random, random.integer(3, 5), 9);
    dims[1] = channels;
    std::string vectors = fmt::format("const %s: f32[{0}] = random(1)\nconst %b: f32[{0}] = random(2)\n", channels);
    check(graph_of("f32", dims, vectors + "%y = InstanceNormalization(%x, %s, %b)"), seed, 2e-4);
    check(graph_of("f32", dims, vectors + fmt::format("%y = GroupNormalization(%x, %s, %b) {{num_groups={}}}", groups)),
          seed, 2e-4);
    for (const char* pool : {"GlobalMaxPool", "GlobalAveragePool"})
      check(graph_of("f32", dims, fmt::format("%y = {}(%x)", pool)), seed);
    dims.resize(4, 5);
    check(
        graph_of("f32", dims,
                 fmt::format("%y = LRN(%x) {{size={}, alpha=0.7, beta={}, bias={}}}", random.integer(1, 9),
                             random.pick<std::string>({"0.75", "0.75", "0.5"}), random.pick<std::string>({"1", "2"}))),
        seed);
  }
}

TEST(Choose, ComparisonsAndWhereWithAnyBroadcast) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    std::string sizes[3];
    for (auto& size : sizes) size = "[";
    for (int64_t rank = random.integer(1, 4), i = 0; i < rank; ++i) {
      int64_t dim = random.pick<int64_t>({2, 3, 17, 33});
      for (auto& size : sizes) size += (i ? ", " : "") + std::to_string(random.integer(0, 2) ? dim : 1);
    }
    std::string type = random.pick<std::string>({"f32", "i64", "i32", "u8", "i8"});
    std::string op = random.pick<std::string>({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"});
    check(fmt::format("graph \"g\" {{\n input %a: {0}{1}]\n input %b: {0}{2}]\n input %c: {0}{3}]\n%m = {4}(%a, "
                      "%b)\n%y = Where(%m, %c, %b)\n"
                      "output \"m\" = %m\noutput \"y\" = %y\n}}",
                      type, sizes[0], sizes[1], sizes[2], op),
          seed, 0);
  }
}

/// Few different values, so that there are equal ones, and now and then a NaN.
Tensor with_ties(const Dims& dims, Random& random) {
  Tensor x(DType::f32, dims);
  for (float& value : x.mutable_data<float>())
    value = random.integer(0, 60) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                       : static_cast<float>(random.integer(-4, 4));
  return x;
}

TEST(Choose, PositionsOfExtremes) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    Dims dims = random_dims(random, random.integer(1, 4), random.pick<int64_t>({3, 21, 70}));
    while (element_count(dims) > 30000) dims.pop_back();
    int64_t axis = random.integer(-static_cast<int64_t>(dims.size()), static_cast<int64_t>(dims.size()) - 1);
    std::string body =
        fmt::format("%y = Arg{}(%x) {{axis={}, keepdims={}, select_last_index={}}}",
                    random.integer(0, 1) ? "Max" : "Min", axis, random.integer(0, 1), random.integer(0, 1));
    check(graph_of("f32", dims, body), {with_ties(dims, random)}, 0);
    int64_t size = dims[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(dims.size()) : axis)];
    check(graph_of(
              "f32", dims,
              fmt::format("const %k: i64[1] = [{}]\n%y, %i = TopK(%x, %k) {{axis={}, largest={}}}\noutput \"i\" = %i",
                          random.integer(1, size), axis, random.integer(0, 1))),
          {with_ties(dims, random)}, 0);
  }
}

TEST(Choose, TileRepeats) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    Dims dims = random_dims(random, random.integer(1, 4), 6),
         repeats = random_dims(random, static_cast<int64_t>(dims.size()), 3);
    check(graph_of(random.pick<std::string>({"f32", "u8", "i64"}), dims,
                   fmt::format("const %r: i64[{}] = {}\n%y = Tile(%x, %r)", repeats.size(), to_string(repeats))),
          seed, 0);
  }
}

TEST(Choose, OtherElementwiseOpsRunInPieces) {
  for (const char* body : {"%y = Floor(%x)", "%y = Sin(%x)", "%y = Cast(%x) {to=7}", "%y = Softplus(%x)",
                           "%y = Erf(%x)", "%y = Sign(%x)", "const %e: f32[] = [2]\n%y = Pow(%x, %e)",
                           "const %z: f32[1] = [0.1]\n%m = Greater(%x, %z)\n%n = Not(%m)\n%y = And(%n, %m)"})
    for (const Dims& dims : {Dims{3, 5}, Dims{4, 41, 61}}) check(graph_of("f32", dims, body), 2);
  check(graph_of("i64", {4, 5}, "const %d: i64[] = [7]\n%q = Div(%x, %d)\n%y = Add(%q, %x)"), 1, 0);
  check(graph_of("u8", {3, 70, 70}, "%y = Cast(%x) {to=1}"), 1, 0);
}

}  // namespace
}  // namespace hone
