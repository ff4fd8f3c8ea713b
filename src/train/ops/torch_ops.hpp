#pragma once
// Private to src/train: includes ATen.
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "graph/graph.hpp"
#include "train/part_sum.hpp"

/// How each graph op runs in libtorch, with autograd. The table in torch_ops.cpp lists all of them.
namespace hone::torch_ops {

using Tensors = std::vector<at::Tensor>;

/// What the function of an op sees.
struct OpCall {
  const Node& node;
  const Attributes& attributes;
  Tensors inputs;  ///< undefined where absent
  bool training = false;
  bool may_overwrite = false;  ///< input 0 is used by nobody else, and no gradient needs its values
  at::Generator* generator = nullptr;
  BatchPart part;
  int64_t part_images = 0;  ///< that the part has itself; 0: unknown
  /// Bounds of a Clip or Relu that this op does too (BatchNormalization only).
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();

  bool has(size_t i) const { return i < inputs.size() && inputs[i].defined(); }
  const at::Tensor& in(size_t i) const;             ///< throws Error when absent
  std::vector<int64_t> ints(size_t i) const;        ///< the integers of input i
  double number(size_t i, double otherwise) const;  ///< the only element of input i, or `otherwise` when absent

  int64_t integer(const char* name, int64_t otherwise) const;
  double real(const char* name, double otherwise) const;
  std::string text(const char* name, const char* otherwise) const;
  std::vector<int64_t> integers(const char* name) const;  ///< empty when absent
  /// `axis` in [0, rank); throws Error when it is outside [-rank, rank).
  int64_t axis(int64_t axis, int64_t rank) const;
  /// Input i as axes in [0, rank), sorted; all axes when it is absent or empty.
  std::vector<int64_t> axes(size_t i, int64_t rank) const;
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy = {}) const;
};

using Function = Tensors (*)(OpCall&);

/// One op: its function, and which of its inputs are learned when they are float constants.
struct Entry {
  const char* domain;
  const char* type;
  Function run;
  std::initializer_list<int> parameters;  ///< inputs that get gradients
  std::initializer_list<int> buffers;     ///< running statistics
  bool gradient_needs_output = true;      ///< false: a consumer may overwrite the result
};

/// nullptr when the table has no such op.
const Entry* find(const char* domain, const char* type);

/// "x y" pads of an op as begin and end of each spatial axis, from `pads` and `auto_pad`.
struct Window {
  std::vector<int64_t> kernel, stride, dilation, begin, end;
  bool symmetric() const { return begin == end; }
  bool padded() const;
};
/// Reads strides, dilations, pads and auto_pad for an input with these spatial sizes.
Window read_window(const OpCall& call, std::vector<int64_t> kernel, at::IntArrayRef spatial);
/// Pads the spatial axes of [N, C, ...] with `value`.
at::Tensor pad_spatial(const at::Tensor& x, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                       double value);

at::ScalarType to_torch(DType dtype, const std::string& place);
at::Tensor to_torch(const Tensor& tensor, const std::string& place);  ///< copies
Tensor from_torch(const at::Tensor& tensor);                          ///< copies

// Convolution and matrix products (conv.cpp).
Tensors conv(OpCall&);
Tensors conv_transpose(OpCall&);
Tensors gemm(OpCall&);
Tensors matmul(OpCall&);
// Pooling (pool.cpp).
Tensors max_pool(OpCall&);
Tensors average_pool(OpCall&);
Tensors global_average_pool(OpCall&);
Tensors global_max_pool(OpCall&);
// Normalization, reductions, softmax (norm.cpp).
Tensors batch_normalization(OpCall&);
Tensors layer_normalization(OpCall&);
Tensors softmax(OpCall&);
Tensors log_softmax(OpCall&);
Tensors dropout(OpCall&);
Tensors reduce_mean(OpCall&);
Tensors reduce_sum(OpCall&);
Tensors reduce_max(OpCall&);
// Elementwise (elementwise.cpp).
Tensors relu(OpCall&);
Tensors clip(OpCall&);
Tensors leaky_relu(OpCall&);
Tensors prelu(OpCall&);
Tensors elu(OpCall&);
Tensors sigmoid(OpCall&);
Tensors hard_sigmoid(OpCall&);
Tensors hard_swish(OpCall&);
Tensors swish(OpCall&);
Tensors gelu(OpCall&);
Tensors tanh(OpCall&);
Tensors softplus(OpCall&);
Tensors mish(OpCall&);
Tensors add(OpCall&);
Tensors sub(OpCall&);
Tensors mul(OpCall&);
Tensors div(OpCall&);
Tensors pow(OpCall&);
Tensors sqrt(OpCall&);
Tensors exp(OpCall&);
Tensors log(OpCall&);
Tensors neg(OpCall&);
Tensors abs(OpCall&);
Tensors erf(OpCall&);
Tensors min(OpCall&);
Tensors max(OpCall&);
Tensors where(OpCall&);
Tensors cast(OpCall&);
Tensors identity(OpCall&);
// Shapes and data movement (shape.cpp, index.cpp).
Tensors flatten(OpCall&);
Tensors reshape(OpCall&);
Tensors transpose(OpCall&);
Tensors squeeze(OpCall&);
Tensors unsqueeze(OpCall&);
Tensors expand(OpCall&);
Tensors shape(OpCall&);
Tensors constant(OpCall&);
Tensors depth_to_space(OpCall&);
Tensors concat(OpCall&);
Tensors split(OpCall&);
Tensors slice(OpCall&);
Tensors gather(OpCall&);
Tensors pad(OpCall&);
// Resize (resize.cpp).
Tensors resize(OpCall&);

}  // namespace hone::torch_ops
