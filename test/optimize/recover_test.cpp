#include "pass_testing.hpp"

namespace hone {
namespace {

using namespace passes;

const std::string x4 = "input %x: f32[N, 3, 4, 4] ";

TEST(RecoverClip, FormsOfRelu6) {
  const std::string constants = x4 + "const %0: f32[] = [0] const %6: f32[1] = [6] ";
  for (const char* form : {"%a = Relu(%x) %y = Min(%a, %6)", "%a = Max(%x, %0) %y = Min(%a, %6)",
                           "%a = Min(%6, %x) %y = Max(%a, %0)", "%a = Relu(%x) %y = Clip(%a, _, %s6)",
                           "%a = Min(%x, %6) %y = Relu(%a)", "%a = Clip(%x, %0, %s6) %y = Relu(%a)"})
    expect_pass(recover_clip(), constants + "const %s6: f32[] = [6] " + form + " output %y",
                x4 + "const %0: f32[] = [0] const %6: f32[] = [6] %y = Clip(%x, %0, %6) output %y");
}

TEST(RecoverClip, FormsOfRelu) {
  expect_pass(recover_clip(), x4 + "const %0: f32[] = [0] %y = Max(%x, %0) output %y", x4 + "%y = Relu(%x) output %y");
  expect_pass(recover_clip(), x4 + "%a = Relu(%x) %y = Relu(%a) output %y", x4 + "%y = Relu(%x) output %y");
  expect_pass(recover_clip(),
              x4 + "const %0: f32[] = [0] const %m: f32[] = [3.4028235e38] %y = Clip(%x, %0, %m) output %y",
              x4 + "%y = Relu(%x) output %y");
  expect_pass(recover_clip(), x4 + "%a = Neg(%x) %b = Clip(%a) %y = Neg(%b) output %y",
              x4 + "%a = Neg(%x) %y = Neg(%a) output %y");
}

TEST(RecoverClip, KeepsOthers) {
  const std::string constants = x4 + "const %0: f32[] = [0] const %6: f32[] = [6] ";
  expect_unchanged(recover_clip(), constants + "%y = Clip(%x, %0, %6) output %y");
  expect_unchanged(recover_clip(), constants + "%a = Relu(%x) %y = Clip(%a, %0, %6) output %y output %a");
  expect_unchanged(recover_clip(), x4 + "const %c: f32[3, 1, 1] = [1, 2, 3] %y = Min(%x, %c) output %y");
  expect_unchanged(recover_clip(), x4 + "input %z: f32[N, 3, 4, 4] %y = Max(%x, %z) output %y");
  expect_unchanged(recover_clip(), "input %x: i32[4] const %c: i32[] = [1] %y = Max(%x, %c) output %y");
}

TEST(RecoverHardActivations, FormsOfHardSigmoid) {
  const std::string constants =
      x4 +
      "const %0: f32[] = [0] const %1: f32[] = [1] const %3: f32[] = [3] const %6: f32[] = [6] "
      "const %r: f32[] = [0.16666667] const %h: f32[1] = [0.5] ";
  for (const char* form : {"%a = Add(%x, %3) %b = Clip(%a, %0, %6) %y = Div(%b, %6)",
                           "%a = Add(%3, %x) %b = Clip(%a, %0, %6) %y = Mul(%r, %b)",
                           "%a = Mul(%x, %r) %b = Add(%a, %h) %y = Clip(%b, %0, %1)"})
    expect_pass(recover_hard_activations(), constants + form + " output %y",
                x4 + "%y = HardSigmoid(%x) {alpha=0.16666667} output %y");
}

TEST(RecoverHardActivations, FormsOfHardSwish) {
  const std::string constants =
      x4 + "const %0: f32[] = [0] const %3: f32[] = [3] const %6: f32[] = [6] const %r: f32[] = [0.1666667] ";
  for (const char* form : {"%a = Add(%x, %3) %b = Clip(%a, %0, %6) %c = Div(%b, %6) %y = Mul(%x, %c)",
                           "%a = Add(%x, %3) %b = Clip(%a, %0, %6) %c = Mul(%b, %x) %y = Div(%c, %6)",
                           "%a = Add(%x, %3) %b = Clip(%a, %0, %6) %c = Mul(%x, %r) %y = Mul(%c, %b)",
                           "%a = HardSigmoid(%x) {alpha=0.16666667, beta=0.5} %y = Mul(%a, %x)"})
    expect_pass(recover_hard_activations(), constants + form + " output %y", x4 + "%y = HardSwish(%x) output %y");
}

TEST(RecoverHardActivations, KeepsOthers) {
  const std::string constants =
      x4 +
      "const %0: f32[] = [0] const %1: f32[] = [1] const %3: f32[] = [3] const %6: f32[] = [6] const %2: f32[] = [2] ";
  for (const char* form :
       {"%y = Clip(%x, %0, %1) output %y", "%a = Add(%x, %3) %b = Clip(%a, %0, %6) %y = Div(%b, %3) output %y",
        "%a = Add(%x, %3) %b = Clip(%a, %0, %6) %y = Div(%b, %6) output %y output %b",
        "%a = HardSigmoid(%x) %y = Mul(%a, %x) output %y",
        "%a = HardSigmoid(%x) {alpha=0.16666667} %n = Neg(%x) %y = Mul(%a, %n) output %y"})
    expect_unchanged(recover_hard_activations(), constants + form);
}

TEST(RecoverSmoothActivations, Forms) {
  expect_pass(recover_smooth_activations(), x4 + "%s = Sigmoid(%x) %y = Mul(%x, %s) output %y",
              x4 + "%y = hone.Swish(%x) output %y");
  expect_pass(recover_smooth_activations(),
              x4 + "const %k: f32[] = [1.5] %a = Mul(%x, %k) %s = Sigmoid(%a) %y = Mul(%s, %x) output %y",
              x4 + "%y = hone.Swish(%x) {alpha=1.5} output %y");
  expect_pass(recover_smooth_activations(),
              x4 + "const %k: f32[] = [1] %a = Exp(%x) %b = Add(%a, %k) %y = Log(%b) output %y",
              x4 + "%y = Softplus(%x) output %y");
  expect_pass(recover_smooth_activations(), x4 + "%a = Softplus(%x) %b = Tanh(%a) %y = Mul(%x, %b) output %y",
              x4 + "%y = Mish(%x) output %y");
  expect_pass(
      recover_smooth_activations(),
      x4 + "const %k: f32[] = [1] %a = Exp(%x) %b = Add(%a, %k) %c = Log(%b) %d = Tanh(%c) %y = Mul(%x, %d) output %y",
      x4 + "%y = Mish(%x) output %y");
}

TEST(RecoverSmoothActivations, KeepsOthers) {
  const std::string constants = x4 + "input %z: f32[N, 3, 4, 4] const %k: f32[] = [1] const %j: f32[] = [2] ";
  for (const char* form :
       {"%s = Sigmoid(%x) %y = Mul(%z, %s) output %y", "%s = Sigmoid(%x) %y = Mul(%x, %s) output %y output %s",
        "%a = Add(%x, %k) %s = Sigmoid(%a) %y = Mul(%x, %s) output %y",
        "%a = Exp(%x) %b = Add(%a, %j) %y = Log(%b) output %y",
        "%s = Sigmoid(%x) %t = Mul(%x, %s) %y = Relu(%s) output %y output %t"})
    expect_unchanged(recover_smooth_activations(), constants + form);
}

TEST(RecoverGelu, ExactForms) {
  const std::string constants =
      "input %x: f32[N, 5, 8] const %r: f32[] = [1.4142135] const %i: f32[] = [0.70710677] const %1: f32[] = [1] const "
      "%h: f32[] = [0.5] const %2: f32[1] = [2] ";
  const std::string after = "input %x: f32[N, 5, 8] %y = Gelu(%x) output %y";
  for (const char* form : {"%a = Div(%x, %r) %b = Erf(%a) %c = Add(%b, %1) %d = Mul(%x, %c) %y = Mul(%d, %h)",
                           "%a = Mul(%x, %i) %b = Erf(%a) %c = Add(%1, %b) %d = Mul(%x, %h) %y = Mul(%d, %c)",
                           "%a = Div(%x, %r) %b = Erf(%a) %c = Add(%b, %1) %d = Mul(%c, %h) %y = Mul(%x, %d)",
                           "%a = Div(%x, %r) %b = Erf(%a) %c = Add(%b, %1) %d = Mul(%x, %c) %y = Div(%d, %2)"})
    expect_pass(recover_gelu(), constants + form + " output %y", after);
  expect_unchanged(
      recover_gelu(),
      constants + "%a = Div(%x, %2) %b = Erf(%a) %c = Add(%b, %1) %d = Mul(%x, %c) %y = Mul(%d, %h) output %y");
  expect_unchanged(
      recover_gelu(),
      constants +
          "%a = Div(%x, %r) %b = Erf(%a) %c = Add(%b, %1) %d = Mul(%x, %c) %y = Mul(%d, %h) output %y output %c");
}

TEST(RecoverGelu, TanhForms) {
  const std::string constants =
      "input %x: f32[N, 5, 8] const %3: f32[] = [3] const %k: f32[] = [0.044715] const %p: f32[] = [0.7978846] const "
      "%1: f32[] = [1] const %h: f32[] = [0.5] ";
  const std::string after = "input %x: f32[N, 5, 8] %y = Gelu(%x) {approximate=\"tanh\"} output %y";
  for (const char* form : {"%a = Pow(%x, %3) %b = Mul(%a, %k) %c = Add(%x, %b) %d = Mul(%c, %p) %t = Tanh(%d) %e = "
                           "Add(%t, %1) %f = Mul(%x, %h) %y = Mul(%f, %e)",
                           "%a = Mul(%x, %x) %b = Mul(%a, %k) %c = Add(%b, %1) %g = Mul(%x, %p) %d = Mul(%g, %c) %t = "
                           "Tanh(%d) %e = Add(%1, %t) %f = Mul(%e, %h) %y = Mul(%x, %f)"})
    expect_pass(recover_gelu(), constants + form + " output %y", after);
}

TEST(RecoverLayerNorm, TakesTheFormulaWithScaleAndBias) {
  const std::string head =
      "input %x: f32[N, 5, 8] const %ax: i64[1] = [-1] const %2: f32[] = [2] const %e: f32[] = [1e-5] ";
  const std::string tail = "%m = ReduceMean(%x, %ax) %d = Sub(%x, %m) ";
  const std::string after = "input %x: f32[N, 5, 8] const %s: f32[8] = fill(1) ";
  expect_pass(recover_layer_norm(),
              head + tail +
                  "%q = Pow(%d, %2) %v = ReduceMean(%q, %ax) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%d, %r) output %y",
              after + "%y = LayerNormalization(%x, %s) {axis=2} output %y");
  expect_pass(recover_layer_norm(),
              head + tail +
                  "const %s: f32[8] = random(1) const %b: f32[1, 1, 8] = random(2) %q = Mul(%d, %d) %v = "
                  "ReduceMean(%q, %ax) %w = Add(%e, %v) "
                  "%r = Sqrt(%w) %n = Div(%d, %r) %t = Mul(%s, %n) %y = Add(%t, %b) output %y",
              after + "const %b: f32[8] = fill(1) %y = LayerNormalization(%x, %s, %b) {axis=2} output %y");
  expect_unchanged(recover_layer_norm(), head + tail +
                                             "%q = Pow(%d, %2) %v = ReduceMean(%q, %ax) %w = Add(%v, %e) %r = Sqrt(%w) "
                                             "%y = Div(%d, %r) output %y output %v");
  expect_unchanged(
      recover_layer_norm(),
      "input %x: f32[N, 5, 8] const %ax: i64[1] = [1] const %2: f32[] = [2] const %e: f32[] = [1e-5] " + tail +
          "%q = Pow(%d, %2) %v = ReduceMean(%q, %ax) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%d, %r) output %y");
}

TEST(RecoverGlobalPool, SpatialMeans) {
  expect_pass(recover_global_pool(), x4 + "const %a: i64[2] = [-1, 2] %y = ReduceMean(%x, %a) output %y",
              x4 + "%y = GlobalAveragePool(%x) output %y");
  expect_pass(recover_global_pool(), x4 + "const %a: i64[2] = [2, 3] %y = ReduceMean(%x, %a) {keepdims=0} output %y",
              x4 + "%p = GlobalAveragePool(%x) %y = Flatten(%p) output %y");
  expect_pass(recover_global_pool(), "input %x: f32[N, 3, L] const %a: i64[1] = [2] %y = ReduceMean(%x, %a) output %y",
              "input %x: f32[N, 3, L] %y = GlobalAveragePool(%x) output %y");
  expect_unchanged(recover_global_pool(), x4 + "const %a: i64[1] = [3] %y = ReduceMean(%x, %a) output %y");
  expect_unchanged(recover_global_pool(), x4 + "const %a: i64[2] = [1, 2] %y = ReduceMean(%x, %a) output %y");
  expect_unchanged(recover_global_pool(), x4 + "const %a: i64[2] = [2, 3] %y = ReduceMax(%x, %a) output %y");
  expect_unchanged(recover_global_pool(), x4 + "%y = ReduceMean(%x) output %y");
}

TEST(RecoverGemm, MatrixProductWithBias) {
  const std::string head =
      "input %x: f32[N, 4] const %w: f32[4, 3] = random(1) const %b: f32[3] = random(2) const %c: f32[2, 3] = "
      "random(2) ";
  const std::string after =
      "input %x: f32[N, 4] const %w: f32[4, 3] = random(1) const %b: f32[3] = random(2) %y = Gemm(%x, %w, %b) output "
      "%y";
  expect_pass(recover_gemm(), head + "%m = MatMul(%x, %w) %y = Add(%m, %b) output %y", after);
  expect_pass(recover_gemm(), head + "%m = MatMul(%x, %w) %y = Add(%b, %m) output %y", after);
  expect_unchanged(recover_gemm(), head + "%m = MatMul(%x, %w) %y = Add(%m, %b) output %y output %m");
  expect_unchanged(recover_gemm(), "input %z: f32[2, 4] " + head + "%m = MatMul(%z, %w) %y = Add(%m, %c) output %y");
  expect_unchanged(recover_gemm(), "input %z: f32[2, N, 4] " + head + "%m = MatMul(%z, %w) %y = Add(%m, %b) output %y");
}

}  // namespace
}  // namespace hone
