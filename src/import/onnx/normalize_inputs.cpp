#include <algorithm>
#include <cctype>
#include <limits>

#include <fmt/format.h>

#include "import/onnx/normalize.hpp"

// Attributes of older opsets that became inputs.
namespace hone::onnx {

namespace {

/// A scalar of the element type of the node's first input.
Tensor scalar_like_input(const DraftNode& node, float value) {
  const Value* x = node.input(0);
  Tensor scalar = Tensor::scalar<float>(value);
  bool numeric = x && size_of(x->dtype()) > 0;
  return numeric ? scalar.cast(x->dtype()) : scalar;
}

}  // namespace

void clip_bounds(DraftNode& node, Normalizer& normalizer) {
  auto low = node.take<float>("min"), high = node.take<float>("max");
  constexpr float largest = std::numeric_limits<float>::max();
  if (low && *low > -largest) node.set_input(1, normalizer.constant(node, "min", scalar_like_input(node, *low)));
  if (high && *high < largest) node.set_input(2, normalizer.constant(node, "max", scalar_like_input(node, *high)));
  node.attributes.erase("consumed_inputs");
}

void dropout_ratio(DraftNode& node, Normalizer& normalizer) {
  if (auto ratio = node.take<float>("ratio"))
    node.set_input(1, normalizer.constant(node, "ratio", Tensor::scalar<float>(*ratio)));
  node.attributes.erase("is_test");
  node.attributes.erase("consumed_inputs");
}

void pad_amounts(DraftNode& node, Normalizer& normalizer) {
  auto pads = node.take<std::vector<int64_t>>("pads");
  if (!pads) pads = node.take<std::vector<int64_t>>("paddings");  // opset 1
  if (!pads) node.fail("has no attribute 'pads'", "the file is broken; export it again");
  node.set_input(1, normalizer.integers(node, "pads", *pads));
  auto value = node.take<float>("value");
  if (value && *value != 0) node.set_input(2, normalizer.constant(node, "value", scalar_like_input(node, *value)));
}

void reduce_axes(DraftNode& node, Normalizer& normalizer) {
  auto axes = node.take<std::vector<int64_t>>("axes");
  if (axes && !axes->empty()) node.set_input(1, normalizer.integers(node, "axes", *axes));
}

void slice_bounds(DraftNode& node, Normalizer& normalizer) {
  auto starts = node.take<std::vector<int64_t>>("starts"), ends = node.take<std::vector<int64_t>>("ends");
  if (!starts || !ends) node.fail("has no attributes 'starts' and 'ends'", "the file is broken; export it again");
  node.set_input(1, normalizer.integers(node, "starts", *starts));
  node.set_input(2, normalizer.integers(node, "ends", *ends));
  if (auto axes = node.take<std::vector<int64_t>>("axes")) node.set_input(3, normalizer.integers(node, "axes", *axes));
}

void split_sizes(DraftNode& node, Normalizer& normalizer) {
  auto sizes = node.take<std::vector<int64_t>>("split");
  if (sizes && !sizes->empty()) node.set_input(1, normalizer.integers(node, "sizes", *sizes));
  if (Value* given = node.input(1); given && is_float(given->dtype()))  // the input that opset 1 had as well
    node.inputs[1] = normalizer.add(node, "whole_sizes", "Cast", {given}, {{"to", static_cast<int64_t>(DType::i64)}});
}

void squeeze_axes(DraftNode& node, Normalizer& normalizer) {
  auto axes = node.take<std::vector<int64_t>>("axes");
  if (axes)
    node.set_input(1, normalizer.integers(node, "axes", *axes));
  else if (node.op == "Unsqueeze")
    node.fail("has no attribute 'axes'", "the file is broken; export it again");
}

void top_k_count(DraftNode& node, Normalizer& normalizer) {
  auto count = node.take<int64_t>("k");
  if (!count) node.fail("has no attribute 'k'", "the file is broken; export it again");
  node.set_input(1, normalizer.integers(node, "k", {*count}));
}

void dft_axis(DraftNode& node, Normalizer& normalizer) {
  int64_t axis = node.take<int64_t>("axis").value_or(1);
  node.set_input(2, normalizer.constant(node, "axis", Tensor::scalar<int64_t>(axis)));
}

void upsample_scales(DraftNode& node, Normalizer& normalizer) {
  auto scales = node.take<std::vector<float>>("scales");
  auto height = node.take<float>("height_scale"), width = node.take<float>("width_scale");  // opset 1
  if (height && width) scales = {1, 1, *height, *width};
  Value* input = node.input(1);
  if (scales)
    input = normalizer.constant(node, "scales", Tensor::of<float>({static_cast<int64_t>(scales->size())}, *scales));
  if (!input) node.fail("has neither an input nor an attribute 'scales'", "the file is broken; export it again");
  node.inputs.resize(1);
  node.set_input(2, input);
  std::string mode = node.take<std::string>("mode").value_or("nearest");
  node.attributes["mode"] = mode == "bilinear" || mode == "trilinear" ? "linear" : mode;
  node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
  node.attributes["nearest_mode"] = std::string("floor");
}

void cast_type_name(DraftNode& node, Normalizer&) {
  auto it = node.attributes.find("to");
  if (it == node.attributes.end() || !std::holds_alternative<std::string>(it->second)) return;
  static const std::pair<const char*, DType> names[] = {
      {"FLOAT", DType::f32},    {"UINT8", DType::u8},     {"INT8", DType::i8},    {"UINT16", DType::u16},
      {"INT16", DType::i16},    {"INT32", DType::i32},    {"INT64", DType::i64},  {"STRING", DType::string},
      {"BOOL", DType::boolean}, {"FLOAT16", DType::f16},  {"DOUBLE", DType::f64}, {"UINT32", DType::u32},
      {"UINT64", DType::u64},   {"BFLOAT16", DType::bf16}};
  std::string wanted = std::get<std::string>(it->second);
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return std::toupper(c); });
  for (auto& [name, type] : names)
    if (wanted == name) {
      it->second = static_cast<int64_t>(type);
      return;
    }
  node.fail(fmt::format("attribute 'to' is \"{}\", expected the name of an element type such as FLOAT", wanted));
}

}  // namespace hone::onnx
