#include "train/ops/torch_ops.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::torch_ops {

namespace {

// Domain, type, function, learned inputs, running statistics, whether the gradient needs the op's output.
const Entry table[] = {
    {"", "Conv", conv, {1, 2}, {}, false},
    {"", "ConvTranspose", conv_transpose, {1, 2}, {}, false},
    {"", "Gemm", gemm, {0, 1, 2}, {}, false},
    {"", "MatMul", matmul, {0, 1}, {}, false},
    {"", "BatchNormalization", batch_normalization, {1, 2}, {3, 4}, false},
    {"", "LayerNormalization", layer_normalization, {1, 2}, {}},
    {"", "Relu", relu, {}, {}},
    {"", "Clip", clip, {}, {}},
    {"", "LeakyRelu", leaky_relu, {}, {}},
    {"", "PRelu", prelu, {1}, {}},
    {"", "Elu", elu, {}, {}},
    {"", "Sigmoid", sigmoid, {}, {}},
    {"", "HardSigmoid", hard_sigmoid, {}, {}},
    {"", "HardSwish", hard_swish, {}, {}},
    {"hone", "Swish", swish, {}, {}},
    {"", "Gelu", gelu, {}, {}},
    {"", "Tanh", tanh, {}, {}},
    {"", "Softplus", softplus, {}, {}},
    {"", "Mish", mish, {}, {}},
    {"", "Softmax", softmax, {}, {}},
    {"", "LogSoftmax", log_softmax, {}, {}},
    {"", "Add", add, {}, {}, false},
    {"", "Sub", sub, {}, {}, false},
    {"", "Mul", mul, {}, {}},
    {"", "Div", div, {}, {}},
    {"", "Pow", pow, {}, {}},
    {"", "Sqrt", sqrt, {}, {}},
    {"", "Exp", exp, {}, {}},
    {"", "Log", log, {}, {}},
    {"", "Neg", neg, {}, {}},
    {"", "Abs", abs, {}, {}},
    {"", "Erf", erf, {}, {}},
    {"", "Min", min, {}, {}},
    {"", "Max", max, {}, {}},
    {"", "Where", where, {}, {}},
    {"", "Cast", cast, {}, {}},
    {"", "Identity", identity, {}, {}},
    {"", "Dropout", dropout, {}, {}},
    {"", "MaxPool", max_pool, {}, {}},
    {"", "AveragePool", average_pool, {}, {}},
    {"", "GlobalAveragePool", global_average_pool, {}, {}},
    {"", "GlobalMaxPool", global_max_pool, {}, {}},
    {"", "ReduceMean", reduce_mean, {}, {}},
    {"", "ReduceSum", reduce_sum, {}, {}},
    {"", "ReduceMax", reduce_max, {}, {}},
    {"", "Flatten", flatten, {}, {}},
    {"", "Reshape", reshape, {}, {}},
    {"", "Transpose", transpose, {}, {}},
    {"", "Squeeze", squeeze, {}, {}},
    {"", "Unsqueeze", unsqueeze, {}, {}},
    {"", "Expand", expand, {}, {}},
    {"", "Shape", shape, {}, {}},
    {"", "Constant", constant, {}, {}},
    {"", "DepthToSpace", depth_to_space, {}, {}},
    {"", "Concat", concat, {}, {}},
    {"", "Split", split, {}, {}},
    {"", "Slice", slice, {}, {}},
    {"", "Gather", gather, {}, {}},
    {"", "Pad", pad, {}, {}},
    {"", "Resize", resize, {}, {}},
};

}  // namespace

const Entry* find(const char* domain, const char* type) {
  for (const Entry& entry : table)
    if (!std::strcmp(entry.domain, domain) && !std::strcmp(entry.type, type)) return &entry;
  return nullptr;
}

void OpCall::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(node.place(), problem, remedy);
}

const at::Tensor& OpCall::in(size_t i) const {
  if (!has(i)) fail(fmt::format("input {} is missing", i));
  return inputs[i];
}

std::vector<int64_t> OpCall::ints(size_t i) const {
  at::Tensor flat = in(i).to(at::kLong).contiguous();
  const int64_t* data = flat.data_ptr<int64_t>();
  return {data, data + flat.numel()};
}

double OpCall::number(size_t i, double otherwise) const {
  if (!has(i)) return otherwise;
  if (in(i).numel() != 1) fail(fmt::format("input {} has {} elements, expected 1", i, in(i).numel()));
  return in(i).item().toDouble();
}

int64_t OpCall::integer(const char* name, int64_t otherwise) const {
  auto it = attributes.find(name);
  if (it == attributes.end()) return otherwise;
  if (auto* value = std::get_if<int64_t>(&it->second)) return *value;
  fail(fmt::format("attribute '{}' is not an integer", name));
}

double OpCall::real(const char* name, double otherwise) const {
  auto it = attributes.find(name);
  if (it == attributes.end()) return otherwise;
  if (auto* value = std::get_if<float>(&it->second)) return *value;
  if (auto* value = std::get_if<int64_t>(&it->second)) return static_cast<double>(*value);
  fail(fmt::format("attribute '{}' is not a number", name));
}

std::string OpCall::text(const char* name, const char* otherwise) const {
  auto it = attributes.find(name);
  if (it == attributes.end()) return otherwise;
  if (auto* value = std::get_if<std::string>(&it->second)) return *value;
  fail(fmt::format("attribute '{}' is not a string", name));
}

std::vector<int64_t> OpCall::integers(const char* name) const {
  auto it = attributes.find(name);
  if (it == attributes.end()) return {};
  if (auto* value = std::get_if<std::vector<int64_t>>(&it->second)) return *value;
  fail(fmt::format("attribute '{}' is not a list of integers", name));
}

int64_t OpCall::axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) fail(fmt::format("axis {} is outside a tensor of rank {}", axis, rank));
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> OpCall::axes(size_t i, int64_t rank) const {
  std::vector<int64_t> list;
  if (has(i))
    for (int64_t value : ints(i)) list.push_back(axis(value, rank));
  if (list.empty())
    for (int64_t value = 0; value < rank; ++value) list.push_back(value);
  std::sort(list.begin(), list.end());
  return list;
}

at::ScalarType to_torch(DType dtype, const std::string& place) {
  switch (dtype) {
    case DType::f32:
      return at::kFloat;
    case DType::f64:
      return at::kDouble;
    case DType::f16:
      return at::kHalf;
    case DType::bf16:
      return at::kBFloat16;
    case DType::u8:
      return at::kByte;
    case DType::i8:
      return at::kChar;
    case DType::i16:
      return at::kShort;
    case DType::i32:
      return at::kInt;
    case DType::i64:
      return at::kLong;
    case DType::boolean:
      return at::kBool;
    default:
      throw Error(place, std::string("the trainer has no element type ") + name_of(dtype));
  }
}

at::Tensor to_torch(const Tensor& tensor, const std::string& place) {
  at::Tensor result = at::empty(tensor.dims(), to_torch(tensor.dtype(), place));
  if (tensor.bytes() > 0) std::memcpy(result.data_ptr(), tensor.raw(), tensor.bytes());
  return result;
}

Tensor from_torch(const at::Tensor& tensor) {
  at::Tensor dense = tensor.detach().contiguous();
  DType dtype = DType::undefined;
  for (DType candidate : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::u8, DType::i8, DType::i16, DType::i32,
                          DType::i64, DType::boolean})
    if (to_torch(candidate, {}) == dense.scalar_type()) dtype = candidate;
  Tensor result(dtype, dense.sizes().vec());
  if (result.bytes() > 0) std::memcpy(result.mutable_raw(), dense.data_ptr(), result.bytes());
  return result;
}

}  // namespace hone::torch_ops
