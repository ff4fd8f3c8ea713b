#include "pass_testing.hpp"

namespace hone {
namespace {

using namespace passes;

/// A batch norm of `channels` after %c.
std::string batch_norm(int channels) {
  std::string n = std::to_string(channels);
  return "const %g: f32[" + n + "] = random(11) const %be: f32[" + n + "] = random(12) const %m: f32[" + n +
         "] = random(13) const %v: f32[" + n + "] = fill(0.7) %y = BatchNormalization(%c, %g, %be, %m, %v) output %y";
}

const std::string conv_input = "input %x: f32[N, 4, 5, 5] const %w: f32[6, 4, 3, 3] = random(1) ";

TEST(FoldBatchNorm, IntoConv) {
  const std::string after =
      conv_input + "const %b: f32[6] = random(1) %y = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]} output %y";
  expect_pass(fold_batch_norm(), conv_input + "%c = Conv(%x, %w) {pads=[1, 1, 1, 1]} " + batch_norm(6), after);
  expect_pass(fold_batch_norm(),
              conv_input + "const %b: f32[6] = random(2) %c = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]} " + batch_norm(6),
              after);
}

TEST(FoldBatchNorm, IntoGroupedConvsAndGemm) {
  expect_pass(fold_batch_norm(),
              "input %x: f32[N, 4, 5] const %w: f32[6, 2, 3] = random(1) %c = Conv(%x, %w) {group=2} " + batch_norm(6),
              "input %x: f32[N, 4, 5] const %w: f32[6, 2, 3] = random(1) const %b: f32[6] = random(1) %y = Conv(%x, "
              "%w, %b) {group=2} output %y");
  expect_pass(fold_batch_norm(),
              "input %x: f32[N, 4, 3, 3] const %w: f32[4, 3, 2, 2] = random(1) %c = ConvTranspose(%x, %w) {group=2, "
              "strides=[2, 2]} " +
                  batch_norm(6),
              "input %x: f32[N, 4, 3, 3] const %w: f32[4, 3, 2, 2] = random(1) const %b: f32[6] = random(1) "
              "%y = ConvTranspose(%x, %w, %b) {group=2, strides=[2, 2]} output %y");
  for (const char* transposed : {"", "transB=1, "}) {
    std::string weights = *transposed ? "const %w: f32[6, 4] = random(1) " : "const %w: f32[4, 6] = random(1) ";
    std::string head = "input %x: f32[N, 4] const %b: f32[6] = random(4) " + weights;
    expect_pass(fold_batch_norm(),
                head + "%c = Gemm(%x, %w, %b) {" + transposed + "alpha=0.5, beta=2.0} " + batch_norm(6),
                head + "%y = Gemm(%x, %w, %b) {" + transposed + "alpha=0.5} output %y");
  }
}

TEST(FoldBatchNorm, SharedWeightsAreCopied) {
  expect_pass(fold_batch_norm(), conv_input + "%d = Conv(%x, %w) %c = Conv(%x, %w) output %d " + batch_norm(6),
              conv_input +
                  "const %u: f32[6, 4, 3, 3] = random(1) const %b: f32[6] = random(1) %d = Conv(%x, %w) %y = Conv(%x, "
                  "%u, %b) output %d output %y");
}

TEST(FoldBatchNorm, KeepsOthers) {
  expect_unchanged(fold_batch_norm(), conv_input + "%c = Conv(%x, %w) output %c " + batch_norm(6));
  expect_unchanged(fold_batch_norm(), conv_input + "%c = Conv(%x, %w) %r = Relu(%c) output %r " + batch_norm(6));
  expect_unchanged(fold_batch_norm(),
                   "input %x: f32[N, 4, 5, 5] input %w: f32[6, 4, 3, 3] %c = Conv(%x, %w) " + batch_norm(6));
  expect_unchanged(fold_batch_norm(), "input %x: f32[N, 6, 5, 5] %c = Relu(%x) " + batch_norm(6));
  // Quantized weights stay quantized.
  expect_unchanged(fold_batch_norm(),
                   "input %x: f32[N, 4, 5, 5] const %q: i8[6, 4, 3, 3] = random(1) const %s: f32[] = [0.1] "
                   "%w = DequantizeLinear(%q, %s) %c = Conv(%x, %w) " +
                       batch_norm(6));
}

TEST(FoldScale, IntoConv) {
  const std::string after = conv_input + "const %b: f32[6] = random(1) %y = Conv(%x, %w, %b) output %y";
  const std::string k = "const %k: f32[6, 1, 1] = random(3) const %j: f32[] = [1.5] %c = Conv(%x, %w) ";
  expect_pass(fold_scale(), conv_input + k + "%d = Mul(%c, %k) %y = Add(%j, %d) output %y", after);
  expect_pass(fold_scale(), conv_input + k + "%d = Div(%c, %j) %y = Sub(%k, %d) output %y", after);
  expect_pass(fold_scale(), conv_input + k + "%d = Sub(%c, %k) %e = Mul(%j, %d) %y = Mul(%e, %k) output %y", after);
  expect_pass(fold_scale(), conv_input + k + "%y = Mul(%c, %k) output %y", conv_input + "%y = Conv(%x, %w) output %y");
}

TEST(FoldScale, HalfPrecisionStaysSo) {
  Graph graph = parse_text(R"(graph "half" { input %x: f16[1, 2, 3, 3] const %w: f16[2, 2, 1, 1] = [1, 2, 3, 4]
    const %k: f16[2, 1, 1] = [0.5, 2] %c = Conv(%x, %w) %y = Mul(%c, %k) output %y })");
  EXPECT_TRUE(fold_scale()->apply(graph));
  const Tensor& weights = graph.nodes().front()->input(1)->constant();
  EXPECT_EQ(weights.dtype(), DType::f16);
  EXPECT_EQ(weights.to_floats(), (std::vector<float>{0.5f, 1, 6, 8}));
}

TEST(FoldScale, IntoGemmAndMatMul) {
  const std::string head = "input %x: f32[N, 5, 4] const %w: f32[4, 6] = random(1) const %k: f32[6] = random(2) ";
  expect_pass(fold_scale(), head + "%c = MatMul(%x, %w) %y = Mul(%k, %c) output %y",
              head + "%y = MatMul(%x, %w) output %y");
  expect_unchanged(fold_scale(), head + "%c = MatMul(%x, %w) %y = Add(%k, %c) output %y");
  const std::string gemm = "input %x: f32[N, 4] const %w: f32[4, 6] = random(1) const %k: f32[6] = random(2) ";
  expect_pass(fold_scale(), gemm + "%c = Gemm(%x, %w) {alpha=3.0} %y = Add(%k, %c) output %y",
              gemm + "%y = Gemm(%x, %w, %k) {alpha=3.0} output %y");
  expect_unchanged(fold_scale(),
                   "input %x: f32[2, 4] const %w: f32[4, 6] = random(1) const %k: f32[6] = random(2) const %b: f32[2, "
                   "6] = random(5) "
                   "%c = Gemm(%x, %w, %b) %y = Mul(%k, %c) output %y");
}

TEST(FoldScale, KeepsOthers) {
  const std::string k =
      "const %k: f32[6, 1, 1] = random(3) const %j: f32[3] = random(1) const %s: f32[1, 1, 1, 1, 1] = [2] %c = "
      "Conv(%x, %w) ";
  expect_unchanged(fold_scale(), conv_input + k + "%y = Add(%c, %j) output %y");
  expect_unchanged(fold_scale(), conv_input + k + "%y = Mul(%c, %s) output %y");
  expect_unchanged(fold_scale(), conv_input + k + "%y = Add(%c, %k) output %y output %c");
  expect_unchanged(fold_scale(), conv_input + k + "%y = Add(%c, %c) output %y");
  expect_unchanged(fold_scale(), conv_input + k + "%y = Div(%k, %c) output %y");
  expect_unchanged(fold_scale(),
                   "input %x: f32[N, 4, 5, 5] const %q: i8[6, 4, 3, 3] = random(1) const %s: f32[] = [0.1] const %k: "
                   "f32[6, 1, 1] = random(3) "
                   "%w = DequantizeLinear(%q, %s) %c = Conv(%x, %w) %y = Add(%c, %k) output %y");
}

TEST(FoldPad, IntoConvAndPools) {
  const std::string pad = "const %p: i64[8] = [0, 0, 1, 2, 0, 0, 0, 1] ";
  expect_pass(fold_pad(), conv_input + pad + "%d = Pad(%x, %p) %y = Conv(%d, %w) {pads=[1, 1, 1, 1]} output %y",
              conv_input + "%y = Conv(%x, %w) {pads=[2, 3, 1, 2]} output %y");
  expect_pass(fold_pad(),
              conv_input +
                  "const %p: i64[4] = [1, 1, 1, 1] const %a: i64[2] = [-2, -1] const %z: f32[] = [0] %d = Pad(%x, %p, "
                  "%z, %a) %y = Conv(%d, %w) output %y",
              conv_input + "%y = Conv(%x, %w) {pads=[1, 1, 1, 1]} output %y");
  expect_pass(fold_pad(),
              "input %x: f32[N, 4, 5, 5] " + pad +
                  "%d = Pad(%x, %p) %y = AveragePool(%d) {kernel_shape=[3, 3], strides=[2, 2]} output %y",
              "input %x: f32[N, 4, 5, 5] %y = AveragePool(%x) {kernel_shape=[3, 3], strides=[2, 2], pads=[1, 2, 0, 1], "
              "count_include_pad=1} output %y");
  expect_pass(fold_pad(),
              "input %x: f32[N, 4, 5, 5] " + pad +
                  "%r = Relu(%x) %d = Pad(%r, %p) %y = MaxPool(%d) {kernel_shape=[3, 3], strides=[2, 2]} output %y",
              "input %x: f32[N, 4, 5, 5] %r = Relu(%x) %y = MaxPool(%r) {kernel_shape=[3, 3], strides=[2, 2], pads=[1, "
              "2, 0, 1]} output %y");
  expect_pass(fold_pad(),
              "input %x: f32[N, 4, 5, 5] const %i: f32[] = [-inf] " + pad +
                  "%d = Pad(%x, %p, %i) %y = MaxPool(%d) {kernel_shape=[3, 3]} output %y",
              "input %x: f32[N, 4, 5, 5] %y = MaxPool(%x) {kernel_shape=[3, 3], pads=[1, 2, 0, 1]} output %y");
}

TEST(FoldPad, TakesAChain) {
  expect_pass(
      fold_pad(),
      conv_input +
          "const %p: i64[8] = [0, 0, 1, 2, 0, 0, 0, 1] %d = Pad(%x, %p) %e = Pad(%d, %p) %y = Conv(%e, %w) output %y",
      conv_input + "%y = Conv(%x, %w) {pads=[2, 4, 0, 2]} output %y");
}

TEST(FoldPad, KeepsOthers) {
  const std::string pad =
      "const %p: i64[8] = [0, 0, 1, 2, 0, 0, 0, 1] const %n: i64[8] = [0, 0, -1, 0, 0, 0, 0, 0] const %c: i64[8] = [0, "
      "1, 0, 0, 0, 1, 0, 0] const %1: f32[] = [1] ";
  expect_unchanged(fold_pad(), conv_input + pad + "%d = Pad(%x, %p, %1) %y = Conv(%d, %w) output %y");
  expect_unchanged(fold_pad(), conv_input + pad + "%d = Pad(%x, %p) {mode=\"reflect\"} %y = Conv(%d, %w) output %y");
  expect_unchanged(fold_pad(), conv_input + pad + "%d = Pad(%x, %n) %y = Conv(%d, %w) output %y");
  expect_unchanged(fold_pad(), conv_input + pad + "%d = Pad(%x, %p) %y = Conv(%d, %w) output %y output %d");
  expect_unchanged(fold_pad(),
                   conv_input + pad + "%d = Pad(%x, %p) %y = Conv(%d, %w) {auto_pad=\"SAME_UPPER\"} output %y");
  const std::string x = "input %x: f32[N, 4, 5, 5] " + pad;
  expect_unchanged(fold_pad(), x + "%d = Pad(%x, %p) %y = MaxPool(%d) {kernel_shape=[3, 3]} output %y");
  expect_unchanged(fold_pad(), x + "%r = Relu(%x) %d = Pad(%r, %p) %y = MaxPool(%d) {kernel_shape=[2, 2]} output %y");
  expect_unchanged(fold_pad(),
                   x + "%d = Pad(%x, %p) %y = AveragePool(%d) {kernel_shape=[3, 3], pads=[1, 1, 1, 1]} output %y");
  expect_unchanged(fold_pad(), x + "%d = Pad(%x, %c) %y = AveragePool(%d) {kernel_shape=[3, 3]} output %y");
}

TEST(SplitBatchNorm, BecomesMulAndAdd) {
  const std::string head = "input %x: f32[N, 6, 5, 5] %c = Relu(%x) ";
  expect_pass(split_batch_norm(), head + batch_norm(6),
              head +
                  "const %a: f32[1, 6, 1, 1] = random(1) const %b: f32[1, 6, 1, 1] = random(1) %m = Mul(%c, %a) %y = "
                  "Add(%m, %b) output %y");
  expect_unchanged(split_batch_norm(),
                   "input %x: f32[N, 2, 5] input %g: f32[2] const %o: f32[2] = fill(1) %y = BatchNormalization(%x, %g, "
                   "%o, %o, %o) output %y");
}

}  // namespace
}  // namespace hone
