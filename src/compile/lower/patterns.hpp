#pragma once
#include <optional>
#include <vector>

#include "graph/graph.hpp"
#include "graph/ops/fused/fused.hpp"

namespace hone {

/// An 8-bit value and what it means.
struct Quantized {
  Value* value = nullptr;
  ops::QuantParams params;
};

/// When `value` is DequantizeLinear of an 8-bit tensor with one constant scale: that tensor.
std::optional<Quantized> dequantized_from(const Value* value);

/// Weights that are DequantizeLinear of a constant i8 tensor with zero points 0: one scale, or one per index of `axis`.
struct QuantizedWeights {
  Value* value = nullptr;
  std::vector<float> scales;
};
std::optional<QuantizedWeights> dequantized_weights(const Value* value, int64_t axis);

/// When `node` is QuantizeLinear to 8 bits with one constant scale: its parameters.
std::optional<ops::QuantParams> quantize_params(const Node& node);

/// The f32 tensor of a constant, or of DequantizeLinear of constants; nullopt otherwise.
std::optional<Tensor> constant_floats(const Value* value);

/// The only user of `value`, or nullptr when it has several or is a graph output.
Node* single_user(const Graph& graph, const Value* value);

/// A channel shuffle that begins with the Reshape `first`: [N, C, ...] to [N, groups, C / groups, ...], axes 1 and 2
/// exchanged, and back to the sizes of the input.
struct Shuffle {
  int64_t groups = 1;
  Node* last = nullptr;  ///< the Reshape back
};
std::optional<Shuffle> match_shuffle(const Graph& graph, const Node* first);

/// A node of the same kind as `op_type` with these attributes.
std::unique_ptr<Op> new_op(const char* op_type, const Attributes& attributes = {});

}  // namespace hone
