#pragma once
#include <climits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone::onnx {

/// A node on its way into the graph: a conversion changes it in place and may put nodes in front of it.
struct DraftNode {
  std::string name, op, domain;
  std::vector<Value*> inputs;  ///< nullptr where absent
  std::vector<std::string> outputs;
  Attributes attributes;
  std::vector<std::pair<size_t, Value*>> ready = {};  ///< outputs that a conversion made by other nodes

  std::string place() const;
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy = {}) const;
  Value* input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  void set_input(size_t i, Value* value);
  /// Removes an attribute and returns it; nullopt when absent, Error when it has another kind.
  template <class T>
  std::optional<T> take(const char* attribute);
};

/// What a conversion may do to the graph.
class Normalizer {
 public:
  Normalizer(Graph& g, int64_t o) : graph(g), opset(o) {}
  Graph& graph;
  const int64_t opset;  ///< of the file
  /// A constant called "<node>_<what>".
  Value* constant(const DraftNode& node, const char* what, Tensor tensor);
  Value* integers(const DraftNode& node, const char* what, const std::vector<int64_t>& values);
  /// A node "<node>_<what>" in front of `node`; returns its output.
  Value* add(const DraftNode& node, const char* what, const char* op, std::vector<Value*> inputs,
             const Attributes& attributes = {});
};

/// One line of the table of differences between older opsets and the one that a Graph means.
struct Conversion {
  const char* op;       ///< in the file
  int64_t below;        ///< applies to files of an opset below this
  const char* becomes;  ///< the op in the graph
  void (*convert)(DraftNode&, Normalizer&);
  const char* change;  ///< what the newer opset did, for readers
};
constexpr int64_t any_opset = INT64_MAX;

/// The whole table, in the order in which its lines are applied.
std::span<const Conversion> conversions();
/// The name that the op of a file ends up with.
std::string normalized_op(std::string_view domain, const std::string& op, int64_t opset);
/// Brings a node of an older opset to opset 21.
void normalize(DraftNode& node, Normalizer& normalizer);

// The conversions, by family: normalize_inputs.cpp (attributes that became inputs) and normalize_nn.cpp (changed
// meaning).
void clip_bounds(DraftNode& node, Normalizer& normalizer);
void dropout_ratio(DraftNode& node, Normalizer& normalizer);
void pad_amounts(DraftNode& node, Normalizer& normalizer);
void reduce_axes(DraftNode& node, Normalizer& normalizer);
void slice_bounds(DraftNode& node, Normalizer& normalizer);
void split_sizes(DraftNode& node, Normalizer& normalizer);
void squeeze_axes(DraftNode& node, Normalizer& normalizer);
void top_k_count(DraftNode& node, Normalizer& normalizer);
void dft_axis(DraftNode& node, Normalizer& normalizer);
void upsample_scales(DraftNode& node, Normalizer& normalizer);
void cast_type_name(DraftNode& node, Normalizer& normalizer);

void batch_norm_outputs(DraftNode& node, Normalizer& normalizer);
void batch_norm_statistics(DraftNode& node, Normalizer& normalizer);
void broadcast_axis(DraftNode& node, Normalizer& normalizer);
void grid_sample_mode(DraftNode& node, Normalizer& normalizer);
void group_norm_scale(DraftNode& node, Normalizer& normalizer);
void resize_asymmetric(DraftNode& node, Normalizer& normalizer);
void resize_empty_inputs(DraftNode& node, Normalizer& normalizer);
void roi_align_coordinates(DraftNode& node, Normalizer& normalizer);
void softmax_two_dims(DraftNode& node, Normalizer& normalizer);
void geglu_product(DraftNode& node, Normalizer& normalizer);
void swiglu_product(DraftNode& node, Normalizer& normalizer);
void swish_product(DraftNode& node, Normalizer& normalizer);
void nothing(DraftNode& node, Normalizer& normalizer);

// normalize_old.cpp: what only opsets 1 to 6 (2017) had.
void concat_default_axis(DraftNode& node, Normalizer& normalizer);
void drop_flags(DraftNode& node, Normalizer& normalizer);
void lp_pool_whole_p(DraftNode& node, Normalizer& normalizer);
void prelu_channels(DraftNode& node, Normalizer& normalizer);
void reshape_sizes(DraftNode& node, Normalizer& normalizer);
void tile_axis(DraftNode& node, Normalizer& normalizer);

// normalize_quant.cpp: quantized ops of ONNX Runtime.
void qlinear_add(DraftNode& node, Normalizer& normalizer);
void qlinear_mul(DraftNode& node, Normalizer& normalizer);
void qlinear_leaky_relu(DraftNode& node, Normalizer& normalizer);
void qlinear_sigmoid(DraftNode& node, Normalizer& normalizer);
void qlinear_softmax(DraftNode& node, Normalizer& normalizer);
void qlinear_average_pool(DraftNode& node, Normalizer& normalizer);
void qlinear_global_average_pool(DraftNode& node, Normalizer& normalizer);
void qlinear_concat(DraftNode& node, Normalizer& normalizer);
void qlinear_where(DraftNode& node, Normalizer& normalizer);
void qgemm(DraftNode& node, Normalizer& normalizer);

// normalize_contrib.cpp: what ONNX Runtime's optimizer makes.
void bias_gelu(DraftNode& node, Normalizer& normalizer);
void fast_gelu(DraftNode& node, Normalizer& normalizer);
void fused_conv(DraftNode& node, Normalizer& normalizer);
void fused_gemm(DraftNode& node, Normalizer& normalizer);
void fused_matmul(DraftNode& node, Normalizer& normalizer);
void multi_head_attention(DraftNode& node, Normalizer& normalizer);
void packed_attention(DraftNode& node, Normalizer& normalizer);
void quick_gelu(DraftNode& node, Normalizer& normalizer);
void skip_layer_norm(DraftNode& node, Normalizer& normalizer);

// normalize_integer.cpp: products of ONNX Runtime with quantized weights.
void matmul_integer_to_float(DraftNode& node, Normalizer& normalizer);
void dynamic_quantize_matmul(DraftNode& node, Normalizer& normalizer);
void matmul_nbits(DraftNode& node, Normalizer& normalizer);
void qattention(DraftNode& node, Normalizer& normalizer);

}  // namespace hone::onnx
