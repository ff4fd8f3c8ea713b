#include <cmath>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"

// What only opsets 1 to 6 had. Ops of opset 1 that were called experimental (Affine, Crop ...) never became part of
// ONNX.
namespace hone::onnx {

void concat_default_axis(DraftNode& node, Normalizer&) {
  node.attributes.emplace("axis", int64_t{1});
}

/// Gemm broadcasts c in any case, and all states of a sequence are made where somebody reads them.
void drop_flags(DraftNode& node, Normalizer&) {
  node.attributes.erase("broadcast");
  node.attributes.erase("output_sequence");
}

void lp_pool_whole_p(DraftNode& node, Normalizer&) {
  float p = node.take<float>("p").value_or(2);
  if (p != std::floor(p) || p < 1 || p > 1e6f)
    node.fail(fmt::format("attribute 'p' is {}, expected a whole number above 0", p));
  node.attributes["p"] = static_cast<int64_t>(p);
}

/// A slope [C] for x [N, C, H, W] becomes [C, 1, 1].
void prelu_channels(DraftNode& node, Normalizer& normalizer) {
  const Value *x = node.input(0), *slope = node.input(1);
  if (!x || !slope || !slope->shape().ranked || slope->shape().rank() != 1 || slope->shape()[0] == Dim(1)) return;
  if (!x->shape().ranked)
    node.fail("has a slope per channel and an input whose rank is not known", "export the model with opset 7 or newer");
  std::vector<int64_t> axes;
  for (int64_t i = 1; i + 1 < x->shape().rank(); ++i) axes.push_back(i);
  if (axes.empty()) return;
  node.inputs[1] =
      normalizer.add(node, "slope", "Unsqueeze", {node.inputs[1], normalizer.integers(node, "slope_axes", axes)});
}

void reshape_sizes(DraftNode& node, Normalizer& normalizer) {
  auto sizes = node.take<std::vector<int64_t>>("shape");
  if (!sizes) node.fail("has no attribute 'shape'", "the file is broken; export it again");
  node.set_input(1, normalizer.integers(node, "shape", *sizes));
}

/// `tiles` repetitions along one axis become a list with a number for each.
void tile_axis(DraftNode& node, Normalizer& normalizer) {
  const Value *x = node.input(0), *tiles = node.input(1), *axis = node.input(2);
  auto single = [](const Value* value) { return value && value->is_constant() && value->constant().size() == 1; };
  if (!x || !x->shape().ranked || !single(tiles) || !single(axis))
    node.fail("has repetitions or an axis that are not constant", "export the model with opset 6 or newer");
  auto number = [](const Value* value) { return static_cast<int64_t>(value->constant().scalar_as_double()); };
  int64_t rank = x->shape().rank(), at = number(axis);
  if (at < -rank || at >= rank) node.fail(fmt::format("has axis {} for an input of {} dimensions", at, rank));
  std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
  repeats[static_cast<size_t>(at < 0 ? at + rank : at)] = number(tiles);
  node.inputs.resize(1);
  node.set_input(1, normalizer.integers(node, "repeats", repeats));
}

}  // namespace hone::onnx
