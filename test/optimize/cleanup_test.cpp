#include "pass_testing.hpp"

namespace hone {
namespace {

using namespace passes;

TEST(RemoveDead, TakesUnusedNodesAndConstants) {
  expect_pass(remove_dead(),
              "input %x: f32[N, 4] const %c: f32[4] = range %a = Relu(%x) %b = Add(%x, %c) %d = Sigmoid(%b) output %a",
              "input %x: f32[N, 4] %a = Relu(%x) output %a");
  expect_unchanged(remove_dead(), "input %x: f32[N, 4] input %y: f32[1] %a = Relu(%x) output %a");
}

TEST(FoldConstants, EvaluatesWhatIsKnown) {
  expect_pass(fold_constants(),
              "input %x: f32[N, 4] const %c: f32[4] = range const %d: f32[1] = [2] %e = Add(%c, %d) %f = Sqrt(%e) %y = "
              "Mul(%x, %f) output %y",
              "input %x: f32[N, 4] const %f: f32[4] = range %y = Mul(%x, %f) output %y");
  expect_pass(fold_constants(), "input %x: f32[2] %c = Constant() {value=f32[2] [1, 2]} %y = Add(%x, %c) output %y",
              "input %x: f32[2] const %c: f32[2] = range %y = Add(%x, %c) output %y");
}

TEST(FoldConstants, UsesKnownSizes) {
  expect_pass(
      fold_constants(),
      "input %x: f32[N, 6, 2] %s = Shape(%x) const %one: i64[] = [1] %c = Gather(%s, %one) const %z: i64[1] = [0] "
      "%u = Unsqueeze(%c, %z) const %m: i64[1] = [-1] %p = Concat(%m, %u) {axis=0} %y = Reshape(%x, %p) output %y",
      "input %x: f32[N, 6, 2] const %p: i64[2] = [-1, 6] %y = Reshape(%x, %p) output %y");
}

TEST(FoldConstants, LeavesQuantizedWeightsAndRandomOps) {
  expect_unchanged(
      fold_constants(),
      "input %x: f32[1, 2] const %w: i8[2, 2] = range const %s: f32[] = [0.1] %d = DequantizeLinear(%w, %s) "
      "%y = MatMul(%x, %d) output %y");
  expect_unchanged(fold_constants(),
                   "input %x: f32[1, 2] const %w: f32[2, 2] = range const %s: f32[] = [0.1] const %z: i8[] = [0] "
                   "%q = QuantizeLinear(%w, %s, %z) %d = DequantizeLinear(%q, %s, %z) %y = MatMul(%x, %d) output %y");
}

TEST(FoldConstants, KeepsWhatWouldGrow) {
  expect_unchanged(fold_constants(),
                   "input %x: f32[1] const %c: f32[1] = [1] const %s: i64[1] = [9000000] %e = Expand(%c, %s) %y = "
                   "Add(%x, %e) output %y");
}

TEST(FoldConstants, LeavesTheNodeOfAnOutput) {
  expect_unchanged(fold_constants(), "const %c: f32[2] = range %y = Sqrt(%c) output %y");
}

TEST(FoldConstants, LeavesNodesThatFail) {
  expect_unchanged(fold_constants(),
                   "input %x: f32[2] const %c: f32[2] = range const %i: i64[2] = [0, 7] %g = GatherElements(%c, %i) %y "
                   "= Add(%x, %g) output %y");
}

TEST(RemoveIdentities, TakesNodesThatChangeNothing) {
  const std::string input =
      "input %x: f32[N, 3, 4, 4] const %one: f32[1] = [1] const %zero: f32[1, 3, 1, 1] = fill(0) ";
  const std::string after = "input %x: f32[N, 3, 4, 4] %r = Relu(%x) %y = Sigmoid(%r) output %y";
  for (const char* middle :
       {"%m = Identity(%r)", "%m = Dropout(%r)", "%m = Cast(%r) {to=1}", "%m = Mul(%r, %one)", "%m = Mul(%one, %r)",
        "%m = Div(%r, %one)", "%m = Add(%zero, %r)", "%m = Sub(%r, %zero)", "%m = Pow(%r, %one)",
        "%m = Concat(%r) {axis=1}", "%m = Sum(%r)", "%m = Transpose(%r) {perm=[0, 1, 2, 3]}",
        "const %p: i64[4] = [0, 3, 4, 4] %m = Reshape(%r, %p)", "const %p: i64[8] = fill(0) %m = Pad(%r, %p)",
        "const %b: i64[2] = [0, 0] const %e: i64[2] = [4, 99] const %a: i64[2] = [2, 3] %m = Slice(%r, %b, %e, %a)",
        "const %s: f32[4] = fill(1) %m = Resize(%r, _, %s) {mode=\"linear\"}",
        "const %s: i64[2] = [4, 4] %m = Resize(%r, _, _, %s) {axes=[2, 3]}"})
    expect_pass(remove_identities(), input + "%r = Relu(%x) " + middle + " %y = Sigmoid(%m) output %y", after);
}

TEST(RemoveIdentities, KeepsWhatChangesSomething) {
  for (const char* node :
       {"const %c: f32[3, 1, 1] = [1, 1, 2] %y = Mul(%x, %c)", "const %c: f32[1, 1, 1, 1, 1] = [1] %y = Mul(%x, %c)",
        "const %one: f32[] = [1] %y = Div(%one, %x)", "const %zero: f32[] = [0] %y = Sub(%zero, %x)",
        "%y = Cast(%x) {to=11}", "%y = Concat(%x, %x) {axis=1}", "%y = Transpose(%x) {perm=[0, 1, 3, 2]}",
        "const %b: i64[1] = [3] const %e: i64[1] = [-9] const %a: i64[1] = [3] const %s: i64[1] = [-1] %y = Slice(%x, "
        "%b, %e, %a, %s)",
        "const %s: f32[4] = [1, 1, 1.1, 1.1] %y = Resize(%x, _, %s) {mode=\"linear\"}"})
    expect_unchanged(remove_identities(), std::string("input %x: f32[N, 3, 4, 4] ") + node + " output %y");
  // An unknown size proves nothing.
  expect_unchanged(remove_identities(),
                   "input %x: f32[?, ?] const %p: i64[2] = [-1, 4] %z = Reshape(%x, %p) %y = Relu(%z) output %y");
}

TEST(RemoveIdentities, KeepsANodeBetweenInputAndOutput) {
  expect_unchanged(remove_identities(), "input %x: f32[2] %y = Identity(%x) output %y");
  expect_unchanged(remove_identities(), "input %x: f32[2] %a = Relu(%x) %y = Identity(%a) output %a output %y");
  expect_pass(remove_identities(), "input %x: f32[2] %a = Relu(%x) %y = Identity(%a) %z = Neg(%y) output %y output %z",
              "input %x: f32[2] %y = Relu(%x) %z = Neg(%y) output %y output %z");
}

TEST(MergeCommon, MergesEqualNodes) {
  expect_pass(merge_common(),
              "input %x: f32[N, 4] const %a: f32[4] = range const %b: f32[4] = range %p = Add(%x, %a) %q = Add(%x, %b) "
              "%r = Relu(%p) %s = Relu(%q) %y = Mul(%r, %s) output %y",
              "input %x: f32[N, 4] const %a: f32[4] = range %p = Add(%x, %a) %r = Relu(%p) %y = Mul(%r, %r) output %y");
}

TEST(MergeCommon, KeepsWhatDiffers) {
  expect_unchanged(
      merge_common(),
      "input %x: f32[N, 4] %p = Softmax(%x) {axis=0} %q = Softmax(%x) {axis=1} %y = Mul(%p, %q) output %y");
  expect_unchanged(
      merge_common(),
      "input %x: f32[N, 4] const %a: f32[1] = [1] const %b: f32[1] = [2] %p = Add(%x, %a) %q = Add(%x, %b) "
      "%y = Mul(%p, %q) output %y");
  expect_unchanged(merge_common(), "input %x: f32[N, 4] %p = Relu(%x) %q = Relu(%x) output %p output %q");
  // Each user of a quantized value has its own DequantizeLinear.
  expect_unchanged(
      merge_common(),
      "input %x: u8[N, 4] const %s: f32[] = [0.1] %p = DequantizeLinear(%x, %s) %q = DequantizeLinear(%x, %s) "
      "%r = Relu(%p) %t = Neg(%q) output %r output %t");
}

TEST(MergeReshapes, OneReshapeIsEnough) {
  expect_pass(merge_reshapes(),
              "input %x: f32[N, 8, 1, 1] %f = Flatten(%x) const %p: i64[3] = [0, 2, 4] %r = Reshape(%f, %p) const %a: "
              "i64[1] = [1] "
              "%y = Unsqueeze(%r, %a) output %y",
              "input %x: f32[N, 8, 1, 1] const %p: i64[4] = [0, 1, 2, 4] %y = Reshape(%x, %p) output %y");
  expect_pass(merge_reshapes(),
              "input %x: f32[N, 8] %n = Neg(%x) const %a: i64[1] = [1] %u = Unsqueeze(%n, %a) %s = Squeeze(%u, %a) %y "
              "= Relu(%s) output %y",
              "input %x: f32[N, 8] %n = Neg(%x) %y = Relu(%n) output %y");
}

TEST(MergeReshapes, ComputedSizesBecomeConstants) {
  expect_pass(
      merge_reshapes(),
      "input %x: f32[N, 6, 2] %s = Shape(%x) const %z: i64[1] = [0] %b = Gather(%s, %z) const %m: i64[1] = [-1] "
      "%p = Concat(%b, %m) {axis=0} %y = Reshape(%x, %p) output %y",
      "input %x: f32[N, 6, 2] const %p: i64[2] = [0, 12] %y = Reshape(%x, %p) output %y");
  expect_unchanged(merge_reshapes(), "input %x: f32[N, 6, 2] input %p: i64[2] %y = Reshape(%x, %p) output %y");
  expect_unchanged(merge_reshapes(), "input %x: f32[N, 6, 2] %y = Flatten(%x) output %y");
}

TEST(CancelTransposes, MergesAndCancels) {
  expect_pass(cancel_transposes(),
              "input %x: f32[N, 2, 3, 4] %a = Transpose(%x) {perm=[0, 2, 3, 1]} %b = Transpose(%a) {perm=[0, 3, 1, 2]} "
              "%y = Relu(%b) output %y",
              "input %x: f32[N, 2, 3, 4] %y = Relu(%x) output %y");
  expect_pass(cancel_transposes(),
              "input %x: f32[N, 2, 3, 4] %a = Transpose(%x) {perm=[0, 2, 3, 1]} %y = Transpose(%a) {perm=[0, 2, 3, 1]} "
              "output %y",
              "input %x: f32[N, 2, 3, 4] %y = Transpose(%x) {perm=[0, 3, 1, 2]} output %y");
}

TEST(CancelTransposes, GoesThroughElementwise) {
  expect_pass(
      cancel_transposes(),
      "input %x: f32[N, 2, 3, 4] input %z: f32[N, 2, 3, 4] const %c: f32[2] = [1, -2] const %h: f32[] = [0.5] "
      "%a = Transpose(%x) {perm=[0, 2, 3, 1]} %b = Transpose(%z) {perm=[0, 2, 3, 1]} %d = Add(%a, %c) %e = Relu(%d) %m "
      "= Mul(%e, %h) "
      "%f = Sub(%m, %b) %y = Transpose(%f) {perm=[0, 3, 1, 2]} output %y",
      "input %x: f32[N, 2, 3, 4] input %z: f32[N, 2, 3, 4] const %c: f32[1, 2, 1, 1] = [1, -2] const %h: f32[] = [0.5] "
      "%d = Add(%x, %c) %e = Relu(%d) %m = Mul(%e, %h) %y = Sub(%m, %z) output %y");
}

TEST(CancelTransposes, KeepsWhatDoesNotCancel) {
  const std::string input = "input %x: f32[N, 2, 3, 4] %a = Transpose(%x) {perm=[0, 2, 3, 1]} ";
  expect_unchanged(cancel_transposes(), input + "%r = Relu(%a) %y = Transpose(%r) {perm=[0, 2, 3, 1]} output %y");
  expect_unchanged(cancel_transposes(),
                   input + "%r = Relu(%a) %y = Transpose(%r) {perm=[0, 3, 1, 2]} output %y output %r");
  expect_unchanged(cancel_transposes(), input + "%r = Softmax(%a) %y = Transpose(%r) {perm=[0, 3, 1, 2]} output %y");
  expect_unchanged(
      cancel_transposes(),
      input + "input %z: f32[N, 3, 4, 2] %r = Add(%a, %z) %y = Transpose(%r) {perm=[0, 3, 1, 2]} output %y");
  expect_unchanged(cancel_transposes(), input +
                                            "const %s: f32[] = [0.1] const %o: u8[] = [128] %q = QuantizeLinear(%a, "
                                            "%s, %o) %d = DequantizeLinear(%q, %s, %o) "
                                            "%y = Transpose(%d) {perm=[0, 3, 1, 2]} output %y");
}

}  // namespace
}  // namespace hone
