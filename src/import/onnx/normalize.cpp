#include "import/onnx/normalize.hpp"

#include <cctype>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::onnx {

// Every difference in meaning between opset 21 and the others, 1 to 28. Versions that only added types, optional
// attributes or optional inputs with the old behavior as default need no line: so do all from 22 on.
std::span<const Conversion> conversions() {
  static const Conversion table[] = {
      {"Add", 7, "Add", broadcast_axis, "attributes broadcast and axis became numpy broadcasting"},
      {"And", 7, "And", broadcast_axis, "as Add"},
      {"Div", 7, "Div", broadcast_axis, "as Add"},
      {"Equal", 7, "Equal", broadcast_axis, "as Add"},
      {"Greater", 7, "Greater", broadcast_axis, "as Add"},
      {"Less", 7, "Less", broadcast_axis, "as Add"},
      {"Mul", 7, "Mul", broadcast_axis, "as Add"},
      {"Or", 7, "Or", broadcast_axis, "as Add"},
      {"Pow", 7, "Pow", broadcast_axis, "as Add"},
      {"Sub", 7, "Sub", broadcast_axis, "as Add"},
      {"Xor", 7, "Xor", broadcast_axis, "as Add"},
      {"BatchNormalization", 14, "BatchNormalization", batch_norm_statistics,
       "attribute spatial and training outputs went"},
      {"BatchNormalization", any_opset, "BatchNormalization", batch_norm_outputs,
       "in training mode it has three outputs, always"},
      {"Cast", any_opset, "Cast", cast_type_name, "attribute to was the name of the type before 6"},
      {"Clip", 11, "Clip", clip_bounds, "min and max became inputs"},
      {"Concat", 4, "Concat", concat_default_axis, "axis has no default any more"},
      {"DFT", 20, "DFT", dft_axis, "axis became an input"},
      {"Dropout", 12, "Dropout", dropout_ratio, "ratio became an input"},
      {"GeGLU", any_opset, "Mul", geglu_product, "comes in 28 and is a function"},
      {"GRU", 7, "GRU", drop_flags, "attribute output_sequence went"},
      {"Gemm", 7, "Gemm", drop_flags, "attribute broadcast went"},
      {"GlobalLpPool", 2, "GlobalLpPool", lp_pool_whole_p, "p became an integer"},
      {"GridSample", 20, "GridSample", grid_sample_mode, "modes bilinear and bicubic became linear and cubic"},
      {"GroupNormalization", 21, "GroupNormalization", group_norm_scale,
       "scale and bias became one a channel, not one a group"},
      {"Hardmax", 13, "Hardmax", softmax_two_dims, "axis became one dimension, not all from there on"},
      {"LSTM", 7, "LSTM", drop_flags, "as GRU"},
      {"LogSoftmax", 13, "LogSoftmax", softmax_two_dims, "as Hardmax"},
      {"Softmax", 13, "Softmax", softmax_two_dims, "as Hardmax"},
      {"LpPool", 2, "LpPool", lp_pool_whole_p, "as GlobalLpPool"},
      {"PRelu", 7, "PRelu", prelu_channels, "a slope per channel broadcasts as numpy says"},
      {"Pad", 11, "Pad", pad_amounts, "pads and value became inputs"},
      {"RNN", 7, "RNN", drop_flags, "as GRU"},
      {"ReduceL1", 18, "ReduceL1", reduce_axes, "axes became an input"},
      {"ReduceL2", 18, "ReduceL2", reduce_axes, "as ReduceL1"},
      {"ReduceLogSum", 18, "ReduceLogSum", reduce_axes, "as ReduceL1"},
      {"ReduceLogSumExp", 18, "ReduceLogSumExp", reduce_axes, "as ReduceL1"},
      {"ReduceMax", 18, "ReduceMax", reduce_axes, "as ReduceL1"},
      {"ReduceMean", 18, "ReduceMean", reduce_axes, "as ReduceL1"},
      {"ReduceMin", 18, "ReduceMin", reduce_axes, "as ReduceL1"},
      {"ReduceProd", 18, "ReduceProd", reduce_axes, "as ReduceL1"},
      {"ReduceSumSquare", 18, "ReduceSumSquare", reduce_axes, "as ReduceL1"},
      {"ReduceSum", 13, "ReduceSum", reduce_axes, "axes became an input"},
      {"Reshape", 5, "Reshape", reshape_sizes, "shape became an input"},
      {"Resize", 11, "Resize", resize_asymmetric, "inputs roi and sizes, and the choice of coordinates, came"},
      {"Resize", any_opset, "Resize", resize_empty_inputs, "an empty roi, scales or sizes means an absent one"},
      {"RoiAlign", 16, "RoiAlign", roi_align_coordinates, "half-pixel coordinates became the default"},
      {"Scatter", any_opset, "ScatterElements", nothing, "Scatter was renamed in 11"},
      {"Slice", 10, "Slice", slice_bounds, "starts, ends and axes became inputs"},
      {"Split", 13, "Split", split_sizes, "split became an input"},
      {"Squeeze", 13, "Squeeze", squeeze_axes, "axes became an input"},
      {"Unsqueeze", 13, "Unsqueeze", squeeze_axes, "axes became an input"},
      {"Swish", any_opset, "Mul", swish_product, "came in 24 and is a function"},
      {"SwiGLU", any_opset, "Mul", swiglu_product, "came in 28 and is a function"},
      {"Tile", 6, "Tile", tile_axis, "inputs tiles and axis became one input with a number for each axis"},
      {"Upsample", any_opset, "Resize", upsample_scales,
       "became Resize with asymmetric coordinates; after the lines of Resize"},
      {"TopK", 10, "TopK", top_k_count, "k became an input"},
      // Ops of ONNX Runtime, which read_graph.cpp names like this.
      {"SimplifiedLayerNormalization", any_opset, "RMSNormalization", nothing, "the name before it was in ONNX"},
      {"com.microsoft.Gelu", any_opset, "Gelu", nothing, "the same op before it was in ONNX"},
      {"com.microsoft.GridSample", any_opset, "GridSample", grid_sample_mode, "as Gelu"},
      {"com.microsoft.Trilu", any_opset, "Trilu", nothing, "as Gelu"},
      {"com.microsoft.Attention", any_opset, "Attention", packed_attention, "a product, its parts and attention"},
      {"com.microsoft.BiasGelu", any_opset, "Gelu", bias_gelu, "Add and Gelu"},
      {"com.microsoft.FastGelu", any_opset, "Gelu", fast_gelu, "as BiasGelu, with tanh"},
      {"com.microsoft.FusedConv", any_opset, "Conv", fused_conv, "Conv, Add and an activation"},
      {"com.microsoft.FusedGemm", any_opset, "Gemm", fused_gemm, "Gemm and an activation"},
      {"com.microsoft.FusedMatMul", any_opset, "MatMul", fused_matmul, "Transpose, MatMul and Mul"},
      {"com.microsoft.TransposeMatMul", any_opset, "MatMul", fused_matmul, "its name before"},
      {"com.microsoft.MultiHeadAttention", any_opset, "Attention", multi_head_attention, "Add and attention"},
      {"com.microsoft.QuickGelu", any_opset, "Mul", quick_gelu, "Swish with another default"},
      {"com.microsoft.SkipLayerNormalization", any_opset, "LayerNormalization", skip_layer_norm,
       "Add and LayerNormalization"},
      {"com.microsoft.DequantizeLinear", any_opset, "DequantizeLinear", nothing, "the same op before it was in ONNX"},
      {"com.microsoft.QuantizeLinear", any_opset, "QuantizeLinear", nothing, "as DequantizeLinear"},
      {"com.microsoft.QLinearAdd", any_opset, "QuantizeLinear", qlinear_add, "an op between dequantize and quantize"},
      {"com.microsoft.QLinearMul", any_opset, "QuantizeLinear", qlinear_mul, "as QLinearAdd"},
      {"com.microsoft.QLinearLeakyRelu", any_opset, "QuantizeLinear", qlinear_leaky_relu, "as QLinearAdd"},
      {"com.microsoft.QLinearSigmoid", any_opset, "QuantizeLinear", qlinear_sigmoid, "as QLinearAdd"},
      {"com.microsoft.QLinearSoftmax", any_opset, "QuantizeLinear", qlinear_softmax, "as QLinearAdd"},
      {"com.microsoft.QLinearAveragePool", any_opset, "QuantizeLinear", qlinear_average_pool, "as QLinearAdd"},
      {"com.microsoft.QLinearGlobalAveragePool", any_opset, "QuantizeLinear", qlinear_global_average_pool,
       "as QLinearAdd"},
      {"com.microsoft.QLinearConcat", any_opset, "QuantizeLinear", qlinear_concat, "as QLinearAdd"},
      {"com.microsoft.QLinearWhere", any_opset, "QuantizeLinear", qlinear_where, "as QLinearAdd"},
      {"com.microsoft.QGemm", any_opset, "QuantizeLinear", qgemm, "as QLinearAdd"},
      {"com.microsoft.MatMulIntegerToFloat", any_opset, "MatMulInteger", matmul_integer_to_float,
       "MatMulInteger, Cast, Mul and Add"},
      {"com.microsoft.DynamicQuantizeMatMul", any_opset, "MatMulInteger", dynamic_quantize_matmul,
       "as MatMulIntegerToFloat"},
      {"com.microsoft.QAttention", any_opset, "Attention", qattention, "as MatMulIntegerToFloat, and attention"},
      {"com.microsoft.MatMulNBits", any_opset, "MatMul", matmul_nbits, "a product behind DequantizeLinear in blocks"},
  };
  return table;
}

std::string normalized_op(std::string_view domain, const std::string& op, int64_t opset) {
  if (domain.empty())
    for (const Conversion& line : conversions())
      if (op == line.op && opset < line.below) return line.becomes;
  return op;
}

void normalize(DraftNode& node, Normalizer& normalizer) {
  if (!node.domain.empty()) return;
  if (normalizer.opset < 7) node.attributes.erase("consumed_inputs");  // on most ops; a hint about memory
  for (const Conversion& line : conversions()) {
    // The old broadcast attributes also turn up in files that claim a newer opset.
    bool applies =
        normalizer.opset < line.below || (line.convert == broadcast_axis && node.attributes.count("broadcast"));
    if (node.op != line.op || !applies) continue;
    node.op = line.becomes;
    line.convert(node, normalizer);
    if (node.op != line.becomes) return;  // of today's opset already, like the Reshape behind an old Softmax
  }
}

std::string DraftNode::place() const {
  std::string type = op;
  if (!type.empty()) type[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(type[0])));
  return type + " '" + name + "'";
}

void DraftNode::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(place(), problem, remedy);
}

void DraftNode::set_input(size_t i, Value* value) {
  if (inputs.size() <= i) inputs.resize(i + 1, nullptr);
  inputs[i] = value;
}

template <class T>
std::optional<T> DraftNode::take(const char* attribute) {
  auto it = attributes.find(attribute);
  if (it == attributes.end()) return std::nullopt;
  Attribute value = std::move(it->second);
  attributes.erase(it);
  if (T* wanted = std::get_if<T>(&value)) return std::move(*wanted);
  if constexpr (std::is_same_v<T, float>)
    if (auto* whole = std::get_if<int64_t>(&value)) return static_cast<float>(*whole);
  Attribute expected{T{}};
  static const char* const kinds[] = {"an integer",        "a number",          "a string", "a list of integers",
                                      "a list of numbers", "a list of strings", "a tensor", "a graph"};
  fail(fmt::format("attribute '{}' is {}, expected {}", attribute, to_string(value), kinds[expected.index()]));
}
template std::optional<int64_t> DraftNode::take(const char*);
template std::optional<float> DraftNode::take(const char*);
template std::optional<std::string> DraftNode::take(const char*);
template std::optional<std::vector<int64_t>> DraftNode::take(const char*);
template std::optional<std::vector<float>> DraftNode::take(const char*);

Value* Normalizer::constant(const DraftNode& node, const char* what, Tensor tensor) {
  return graph.add_constant(node.name + "_" + what, std::move(tensor));
}

Value* Normalizer::integers(const DraftNode& node, const char* what, const std::vector<int64_t>& values) {
  return constant(node, what, Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
}

Value* Normalizer::add(const DraftNode& node, const char* what, const char* op, std::vector<Value*> inputs,
                       const Attributes& attributes) {
  auto made = make_op("", op);
  if (!made) node.fail(fmt::format("needs op {}, which this build does not have", op));
  set_attributes(*made, attributes);
  return graph.add(std::move(made), std::move(inputs), node.name + "_" + what)->output();
}

}  // namespace hone::onnx
