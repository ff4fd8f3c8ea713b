#include "compile/batch/slicing.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.hpp"
#include "graph/batch.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "optimize/pass_manager.hpp"
#include "optimize/passes/passes.hpp"

/// What is said to treat each sample alone does: a batch gives what its samples give one by one. And what does not is
/// refused.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::random_inputs;

constexpr int64_t samples = 4;

Graph folded(Graph graph) {
  std::vector<std::unique_ptr<Pass>> passes;
  passes.push_back(passes::fold_constants());
  run_passes(graph, passes);
  return graph;
}

/// A graph with the input %x: f32[4, 6, 4, 8] and whatever follows; its result is %y.
std::string graph_of(const std::string& body) {
  return "graph \"g\" {\n  input %x: f32[4, 6, 4, 8]\n" + body + "\n  output \"y\" = %y\n}";
}

Tensor part(const Tensor& whole, int64_t slice) {
  Dims dims = whole.dims();
  dims[0] /= samples;
  const size_t bytes = whole.bytes() / samples;
  return Tensor(whole.dtype(), dims, static_cast<const char*>(whole.raw()) + bytes * static_cast<size_t>(slice), bytes,
                nullptr);
}

class TreatsSamplesAlone : public testing::TestWithParam<const char*> {};

TEST_P(TreatsSamplesAlone, SoThatSlicesGiveTheSame) {
  const Graph whole = parse_text(graph_of(GetParam()));
  Graph slice = whole.clone();
  set_batch(slice, 1);
  ASSERT_EQ(batch::why_not_cut(folded(whole.clone()), folded(slice.clone()), samples), "");
  const auto inputs = random_inputs(whole, 5);
  const Tensor expected = evaluate(whole, inputs)[0];
  for (int64_t i = 0; i < samples; ++i) {
    std::vector<Tensor> mine;
    for (const Tensor& input : inputs) mine.push_back(part(input, i));
    expect_near(evaluate(slice, mine)[0], part(expected, i), 1e-6, 1e-6, fmt::format("slice {}", i));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ops, TreatsSamplesAlone,
    testing::Values(
        "const %w: f32[5, 6, 3, 3] = random(1)\n%c = Conv(%x, %w)\n%y = Relu(%c)",
        "const %w: f32[6, 5, 2, 2] = random(1)\n%y = ConvTranspose(%x, %w) {strides=[2, 2]}",
        "%y = MaxPool(%x) {kernel_shape=[2, 2]}", "%y = GlobalAveragePool(%x)",
        "const %s: f32[6] = random(1)\n%y = InstanceNormalization(%x, %s, %s)",
        "const %s: f32[6] = random(1)\n%y = GroupNormalization(%x, %s, %s) {num_groups=3}", "%y = LRN(%x) {size=3}",
        "%y = DepthToSpace(%x) {blocksize=1}", "%y = SpaceToDepth(%x) {blocksize=2}",
        "const %s: f32[4] = [1, 1, 2, 2]\n%y = Resize(%x, _, %s)",
        "const %s: i64[4] = [4, 6, 5, 9]\n%c = Shape(%x) {start=0, end=2}\nconst %t: i64[2] = [5, 9]\n"
        "%z = Concat(%c, %t) {axis=0}\n%y = Resize(%x, _, _, %z) {mode=\"linear\"}",
        "const %s: f32[6, 1, 1] = random(1)\n%a = Add(%x, %s)\n%y = Mul(%a, %x)",
        "const %s: f32[1, 6, 1, 8] = random(1)\n%y = Sub(%s, %x)",
        "const %s: i64[2] = [0, -1]\n%r = Reshape(%x, %s)\nconst %w: f32[192, 10] = random(1)\n"
        "const %b: f32[10] = random(2)\n%y = Gemm(%r, %w, %b)",
        "const %s: i64[2] = [-1, 8]\n%r = Reshape(%x, %s)\nconst %w: f32[8, 3] = random(1)\n%m = MatMul(%r, %w)\n"
        "const %t: i64[3] = [-1, 24, 3]\n%y = Reshape(%m, %t)",
        "%t = Transpose(%x) {perm=[0, 1, 3, 2]}\n%y = MatMul(%x, %t)",
        "const %w: f32[8, 5] = random(1)\n%y = MatMul(%x, %w)",
        "const %w: f32[1, 6, 3, 4] = random(1)\n%y = MatMul(%w, %x)",
        "%t = Transpose(%x) {perm=[2, 0, 1, 3]}\n%s = Softmax(%t) {axis=0}\n%y = Transpose(%s) {perm=[1, 0, 2, 3]}",
        "%y = Softmax(%x)", "%y = LogSoftmax(%x) {axis=1}", "%y = Hardmax(%x) {axis=2}",
        "const %s: f32[8] = random(1)\n%y = LayerNormalization(%x, %s)",
        "const %s: f32[4, 8] = random(1)\n%y = RMSNormalization(%x, %s) {axis=2}",
        "const %a: i64[2] = [1, -1]\n%y = ReduceMean(%x, %a) {keepdims=0}",
        "const %a: i64[1] = [2]\n%y = ReduceL2(%x, %a)", "%y = ArgMax(%x) {axis=1, keepdims=0}",
        "%t = Transpose(%x) {perm=[1, 0, 2, 3]}\n%m = ArgMin(%t) {axis=0, keepdims=0}\n%y = Identity(%m)",
        "%r = Relu(%x)\n%y = Concat(%r, %x, %r) {axis=1}", "%a, %y = Split(%x) {axis=1}",
        "const %i: i64[2, 2] = [0, 3, 3, -1]\n%y = Gather(%x, %i) {axis=2}",
        "const %i: i64[2, 3] = [0, 3, 3, -1, 1, 2]\n%t = Transpose(%x) {perm=[1, 0, 2, 3]}\n"
        "%g = Gather(%t, %i) {axis=0}\n%y = Transpose(%g) {perm=[2, 0, 1, 3, 4]}",
        "const %f: i64[1] = [1]\nconst %e: i64[1] = [6]\nconst %s: i64[1] = [2]\nconst %a: i64[1] = [3]\n"
        "%y = Slice(%x, %f, %e, %a, %s)",
        "const %f: i64[2] = [0, 1]\nconst %e: i64[2] = [100, 5]\n%y = Slice(%x, %f, %e)",
        "const %p: i64[8] = [0, 1, 2, 0, 0, 0, 0, 3]\n%y = Pad(%x, %p)",
        "%s = Shape(%x) {start=0, end=1}\nconst %t: i64[2] = [1, 5]\n%z = Concat(%s, %t) {axis=0}\n"
        "const %c: f32[1, 1, 5] = random(1)\n%e = Expand(%c, %z)\n%a = ReduceMean(%x) {noop_with_empty_axes=1}\n"
        "const %i: i64[1] = [1]\nconst %r: i64[3] = [0, -1, 5]\nconst %w: f32[8, 5] = random(2)\n%m = MatMul(%a, %w)\n"
        "%q = Reshape(%m, %r)\n%y = Concat(%e, %q) {axis=1}",
        "const %r: i64[4] = [1, 2, 1, 1]\n%y = Tile(%x, %r)", "const %k: i64[1] = [3]\n%y, %i = TopK(%x, %k) {axis=1}",
        "const %s: f32[] = [0.02]\nconst %z: u8[] = [128]\n%q = QuantizeLinear(%x, %s, %z)\n"
        "%y = DequantizeLinear(%q, %s, %z)",
        "const %s: f32[6] = [0.02, 0.03, 0.01, 0.02, 0.05, 0.02]\n%y = QuantizeLinear(%x, %s)",
        "%y = Attention(%x, %x, %x)", "input %u: f32[4, 6, 4, 1]\n%y = Add(%u, %x)",
        "%c = Cast(%x) {to=6}\n%d = Abs(%c)\n%y = Cast(%d) {to=1}",
        "const %one: i64[1] = [1]\n%f = Flatten(%x)\n%y = Unsqueeze(%f, %one)"));

class MixesSamples : public testing::TestWithParam<const char*> {};

TEST_P(MixesSamples, SoThatItIsRefused) {
  const Graph whole = parse_text(graph_of(GetParam()));
  try {
    Graph slice = whole.clone();
    set_batch(slice, 1);
    EXPECT_NE(batch::why_not_cut(folded(whole.clone()), folded(std::move(slice)), samples), "");
  } catch (const Error&) {  // it takes no single sample
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ops, MixesSamples,
    testing::Values(
        "%y = Softmax(%x) {axis=0}", "const %a: i64[1] = [0]\n%y = ReduceSum(%x, %a)", "%y = ReduceMax(%x)",
        "const %c: f32[4, 6, 4, 8] = random(1)\n%y = Add(%x, %c)",
        "const %c: f32[4, 1, 1, 1] = random(1)\n%y = Mul(%x, %c)", "%y = Concat(%x, %x) {axis=0}",
        "%y = Transpose(%x) {perm=[1, 0, 2, 3]}", "const %i: i64[1] = [0]\n%y = Gather(%x, %i) {axis=0}",
        "const %i: i64[4] = [3, 2, 1, 0]\n%y = Gather(%x, %i) {axis=0}",
        "const %f: i64[1] = [3]\nconst %e: i64[1] = [-100]\nconst %a: i64[1] = [0]\n"
        "const %s: i64[1] = [-1]\n%y = Slice(%x, %f, %e, %a, %s)",
        "const %f: i64[1] = [1]\nconst %e: i64[1] = [4]\nconst %a: i64[1] = [0]\n%y = Slice(%x, %f, %e, %a)",
        "const %p: i64[8] = [1, 0, 0, 0, -1, 0, 0, 0]\n%y = Pad(%x, %p) {mode=\"edge\"}",
        "const %s: i64[4] = [6, 4, 4, 8]\n%y = Reshape(%x, %s)",
        "const %s: f32[4] = [2, 1, 1, 1]\n%y = Resize(%x, _, %s)",
        "const %s: f32[6] = random(1)\n%y, %m, %v = BatchNormalization(%x, %s, %s, %s, %s) {training_mode=1}",
        "%y, %s, %z = DynamicQuantizeLinear(%x)", "%s = Shape(%x)\n%c = Cast(%s) {to=1}\n%y = Identity(%c)",
        "%y, %i = MaxPool(%x) {kernel_shape=[2, 2]}", "const %k: i64[1] = [3]\n%y, %i = TopK(%x, %k) {axis=0}",
        "%y = NonZero(%x)",
        "%t = Transpose(%x) {perm=[1, 2, 3, 0]}\nconst %w: f32[4, 3] = random(1)\n%y = MatMul(%t, %w)",
        "const %w: f32[4, 6, 8, 2] = random(1)\n%y = MatMul(%x, %w)",
        "const %s: f32[4] = [0.1, 0.2, 0.3, 0.4]\n%y = QuantizeLinear(%x, %s) {axis=0}",
        "const %c: f32[6, 4, 8] = random(1)\n%y = Identity(%c)"));

TEST(Slices, AreOneSampleWhereActivationsOutweighWeights) {
  const Graph one = parse_text(R"(graph "g" {
    input %x: f32[1, 8, 256, 256]
    const %w: f32[8, 8, 3, 3] = random(1)
    %y = Conv(%x, %w)
    output "y" = %y
  })");
  EXPECT_EQ(batch::slice_size(one, 8), 1);
}

TEST(Slices, ShareTheReadingOfLargeWeights) {
  const Graph one = parse_text(R"(graph "g" {
    input %x: f32[1, 64, 40, 40]
    const %w: f32[256, 64, 3, 3] = random(1)
    %y = Conv(%x, %w) {strides=[4, 4]}
    output "y" = %y
  })");
  // 590 kB of weights, 102 kB of activations: 0.4 * 590 / 102 is 2.3.
  EXPECT_EQ(batch::slice_size(one, 10), 5);
  EXPECT_EQ(batch::slice_size(one, 8), 4);
  EXPECT_EQ(batch::slice_size(one, 7), 7);
}

TEST(Slices, AreLargeEnoughToBeWorthACall) {
  const Graph one = parse_text(R"(graph "g" {
    input %x: f32[1, 16]
    %y = Relu(%x)
    output "y" = %y
  })");
  EXPECT_EQ(batch::slice_size(one, 1 << 20), 8192);
}

TEST(Slices, AreNotMadeOfWhatFitsInTheCache) {
  const Graph one = parse_text(R"(graph "g" {
    input %x: f32[1, 3, 16, 16]
    %y = Relu(%x)
    output "y" = %y
  })");
  EXPECT_EQ(batch::slice_size(one, 8), 8);
}

}  // namespace
}  // namespace hone
