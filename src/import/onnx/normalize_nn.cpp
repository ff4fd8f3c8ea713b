#include <algorithm>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"

// Ops whose meaning changed between opsets.
namespace hone::onnx {

void nothing(DraftNode&, Normalizer&) {}

void batch_norm_statistics(DraftNode& node, Normalizer&) {
  if (node.take<int64_t>("spatial").value_or(1) == 0)
    node.fail("has spatial = 0 (statistics per element), which newer ONNX dropped",
              "export the model with opset 9 or newer");
  node.attributes.erase("is_test");
  node.attributes.erase("consumed_inputs");
}

void batch_norm_outputs(DraftNode& node, Normalizer&) {
  auto it = node.attributes.find("training_mode");
  const int64_t* training = it == node.attributes.end() ? nullptr : std::get_if<int64_t>(&it->second);
  if (training && *training != 0) node.outputs.resize(3);  // also those that nobody reads
}

/// b of shape [C] with axis 1 against a of [N, C, H, W] becomes [C, 1, 1].
void broadcast_axis(DraftNode& node, Normalizer& normalizer) {
  bool enabled = node.take<int64_t>("broadcast").value_or(0) != 0;
  auto axis = node.take<int64_t>("axis");
  node.attributes.erase("consumed_inputs");
  if (!enabled || !axis) return;
  const Value *a = node.input(0), *b = node.input(1);
  if (!a || !b || !a->shape().ranked || !b->shape().ranked)
    node.fail("broadcasts along an axis of inputs whose rank is not known", "export the model with opset 7 or newer");
  int64_t rank = a->shape().rank(), first = *axis < 0 ? *axis + rank : *axis;
  if (first < 0 || first > rank || first + b->shape().rank() > rank)
    node.fail(fmt::format("has axis {} for inputs of {} and {} dimensions", *axis, rank, b->shape().rank()));
  std::vector<int64_t> axes;
  for (int64_t i = b->shape().rank(); i < rank - first; ++i) axes.push_back(i);
  if (axes.empty()) return;
  node.inputs[1] =
      normalizer.add(node, "broadcast", "Unsqueeze", {node.inputs[1], normalizer.integers(node, "axes", axes)});
}

void grid_sample_mode(DraftNode& node, Normalizer&) {
  auto mode = node.take<std::string>("mode");
  if (!mode) return;
  node.attributes["mode"] = *mode == "bilinear" ? "linear" : *mode == "bicubic" ? "cubic" : *mode;
}

/// scale [G] becomes [C]: each element C / G times.
void group_norm_scale(DraftNode& node, Normalizer& normalizer) {
  auto it = node.attributes.find("num_groups");
  const int64_t* groups = it == node.attributes.end() ? nullptr : std::get_if<int64_t>(&it->second);
  if (!groups || *groups < 1)
    node.fail("has no positive attribute 'num_groups'", "the file is broken; export it again");
  const Value* x = node.input(0);
  bool known = x && x->shape().rank() > 1 && x->shape()[1].known();
  if (!known) node.fail("has an input whose channels are not known", "export the model with opset 21 or fixed sizes");
  int64_t channels = x->shape()[1].value;
  if (channels % *groups != 0) node.fail(fmt::format("has {} channels in {} groups", channels, *groups));
  if (channels == *groups) return;
  for (size_t i = 1; i <= 2; ++i) {
    if (!node.input(i)) continue;
    Value* column = normalizer.add(node, i == 1 ? "scale_column" : "bias_column", "Reshape",
                                   {node.inputs[i], normalizer.integers(node, "column_shape", {*groups, 1})});
    Value* expanded = normalizer.add(node, i == 1 ? "scale_groups" : "bias_groups", "Expand",
                                     {column, normalizer.integers(node, "group_shape", {*groups, channels / *groups})});
    node.inputs[i] = normalizer.add(node, i == 1 ? "scale" : "bias", "Reshape",
                                    {expanded, normalizer.integers(node, "flat_shape", {channels})});
  }
}

/// Opset 10 takes the pixel below when it enlarges; runtimes took the one above when it only shrinks.
void resize_asymmetric(DraftNode& node, Normalizer&) {
  Value* scales = node.input(1);
  node.inputs.resize(1);
  node.set_input(2, scales);
  bool shrinks = false;
  if (scales && scales->is_constant() && is_float(scales->dtype())) {
    std::vector<float> values = scales->constant().to_floats();
    shrinks = std::all_of(values.begin(), values.end(), [](float s) { return s <= 1; }) &&
              std::any_of(values.begin(), values.end(), [](float s) { return s < 1; });
  }
  node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
  node.attributes["nearest_mode"] = std::string(shrinks ? "ceil" : "floor");
}

void resize_empty_inputs(DraftNode& node, Normalizer&) {
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (node.inputs[i] && node.inputs[i]->is_constant() && node.inputs[i]->constant().size() == 0)
      node.inputs[i] = nullptr;
}

void roi_align_coordinates(DraftNode& node, Normalizer&) {
  node.attributes["coordinate_transformation_mode"] = std::string("output_half_pixel");
}

/// Before opset 13, softmax flattened its input to two dimensions at `axis` (1 by default).
void softmax_two_dims(DraftNode& node, Normalizer& normalizer) {
  int64_t axis = node.take<int64_t>("axis").value_or(1);
  Value* x = node.input(0);
  if (!x) node.fail("has no input");
  const Shape& shape = x->shape();
  if (shape.ranked) {
    int64_t rank = shape.rank(), first = axis < 0 ? axis + rank : axis;
    if (first < 0 || first > rank) node.fail(fmt::format("has axis {} for an input of {} dimensions", axis, rank));
    // The same thing as one axis when at most one of the flattened sizes is not 1.
    int64_t wide = rank - 1, count = 0;
    for (int64_t i = first; i < rank; ++i)
      if (!(shape[static_cast<size_t>(i)] == Dim(1))) wide = i, ++count;
    if (count <= 1 && first < rank) {
      node.attributes["axis"] = wide;
      return;
    }
  }
  Value* matrix = normalizer.add(node, "matrix", "Flatten", {x}, {{"axis", axis}});
  Value* result = normalizer.add(node, "rows", node.op.c_str(), {matrix}, {{"axis", int64_t{-1}}});
  Value* sizes = shape.is_static() ? normalizer.integers(node, "shape", shape.concrete())
                                   : normalizer.add(node, "shape", "Shape", {x});
  node.op = "Reshape";
  node.inputs = {result, sizes};
}

/// x * sigmoid(alpha * x), in which the optimizer finds the op again.
namespace {

Value* sigmoid_of(DraftNode& node, Normalizer& normalizer, Value* x, float alpha) {
  if (alpha != 1) {
    Tensor factor = Tensor::scalar<float>(alpha);
    if (size_of(x->dtype()) > 0) factor = factor.cast(x->dtype());
    x = normalizer.add(node, "scaled", "Mul", {x, normalizer.constant(node, "alpha", factor)});
  }
  return normalizer.add(node, "gate", "Sigmoid", {x});
}

/// The two inputs of a gated unit, which do not broadcast.
std::pair<Value*, Value*> gate_and_value(DraftNode& node) {
  Value *gate = node.input(0), *value = node.input(1);
  if (!gate || !value) node.fail("has no gate or no value", "the file is broken; export it again");
  const Shape &a = gate->shape(), &b = value->shape();
  bool fits = !a.ranked || !b.ranked || a.rank() == b.rank();
  for (size_t i = 0; fits && a.ranked && b.ranked && i < a.dims.size(); ++i)
    fits = !a[i].known() || !b[i].known() || a[i] == b[i];
  if (!fits) node.fail(fmt::format("gate {} and value {} differ, expected one shape", to_string(a), to_string(b)));
  return {gate, value};
}

}  // namespace

void swish_product(DraftNode& node, Normalizer& normalizer) {
  float alpha = node.take<float>("alpha").value_or(1);
  if (!node.input(0)) node.fail("has no input");
  node.set_input(1, sigmoid_of(node, normalizer, node.input(0), alpha));
}

void swiglu_product(DraftNode& node, Normalizer& normalizer) {
  auto [gate, value] = gate_and_value(node);
  Value* sigmoid = sigmoid_of(node, normalizer, gate, node.take<float>("alpha").value_or(1));
  node.inputs = {normalizer.add(node, "swish", "Mul", {gate, sigmoid}), value};
}

void geglu_product(DraftNode& node, Normalizer& normalizer) {
  auto [gate, value] = gate_and_value(node);
  Attributes attributes{{"approximate", node.take<std::string>("approximate").value_or("none")}};
  node.inputs = {normalizer.add(node, "gelu", "Gelu", {gate}, attributes), value};
}

}  // namespace hone::onnx
