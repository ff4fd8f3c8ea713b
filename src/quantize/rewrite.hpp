#pragma once
#include <map>
#include <optional>
#include <vector>

#include "quantize/placement.hpp"
#include "quantize/weights.hpp"

namespace hone {

/// Writes quantizers into a graph. Names of new values derive from the value or constant they stand for.
class Rewriter {
 public:
  explicit Rewriter(Graph& graph);

  /// value -> QuantizeLinear -> DequantizeLinear -> users. All users move when an int8 node makes the value (only its
  /// int8 form exists then); else only int8 users do.
  void quantize_activation(Value* value, const TensorQuant& quant, const QuantizerPlacement& placement);
  /// A constant that an int8 node takes as activation.
  void quantize_constant(const Use& use, const TensorQuant& quant);
  /// Input 1 becomes i8 weights and DequantizeLinear.
  void set_weights(Node* layer, const QuantizedWeights& weights);
  /// Input 2 becomes an i32 bias and DequantizeLinear with scale input_scale * weight scale.
  void set_bias(Node* layer, const std::vector<float>& bias, float input_scale,
                const std::vector<float>& weight_scales);

 private:
  Value* scale_of(const std::string& name, const TensorQuant& quant);
  Value* zero_point_of(const std::string& name, const TensorQuant& quant);
  Value* dequantized(Node* position, const std::string& name, Tensor values, Tensor scales, Tensor zeros, int axis);
  Graph& graph_;
  std::map<const Node*, int> order_;
};

}  // namespace hone
