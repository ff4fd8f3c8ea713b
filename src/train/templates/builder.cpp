#include "train/templates/builder.hpp"

#include <algorithm>
#include <cmath>

#include "graph/ops/nn/normalization/batch_normalization.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/pooling/max_pool.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/shape/concat.hpp"

namespace hone {

Value* ModelBuilder::weight(const std::string& name, const Dims& dims, double deviation) {
  Tensor tensor(DType::f32, dims);
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(rng_.normal(0, deviation));
  return graph_.add_constant(name, std::move(tensor));
}

Value* ModelBuilder::conv(Value* x, const ConvSpec& spec, const std::string& name) {
  auto op = std::make_unique<ops::Conv>();
  int64_t pad = spec.kernel / 2 * spec.dilation;
  op->group = spec.group;
  op->kernel_shape = {spec.kernel, spec.kernel};
  op->strides = {spec.stride, spec.stride};
  op->dilations = {spec.dilation, spec.dilation};
  op->pads = {pad, pad, pad, pad};
  double fan_out = static_cast<double>(spec.kernel * spec.kernel * spec.out) / static_cast<double>(spec.group);
  Value* w = weight(name + ".weight", {spec.out, x->shape()[1].value / spec.group, spec.kernel, spec.kernel},
                    std::sqrt(2 / fan_out));
  std::vector<Value*> inputs{x, w};
  if (spec.bias) inputs.push_back(graph_.add_constant(name + ".bias", Tensor::zeros(DType::f32, {spec.out})));
  return graph_.add(std::move(op), inputs, name)->output();
}

Value* ModelBuilder::batch_norm(Value* x, const std::string& name, bool zero) {
  int64_t channels = x->shape()[1].value;
  auto filled = [&](const char* suffix, float value) {
    return graph_.add_constant(name + suffix,
                               Tensor::of<float>({channels}, std::vector<float>(static_cast<size_t>(channels), value)));
  };
  Value* scale = filled(".weight", zero ? 0.0f : 1.0f);
  Value* bias = filled(".bias", 0);
  Value* mean = filled(".running_mean", 0);
  Value* variance = filled(".running_var", 1);
  return graph_.add(std::make_unique<ops::BatchNormalization>(), {x, scale, bias, mean, variance}, name)->output();
}

Value* ModelBuilder::relu6(Value* x, const std::string& name) {
  if (!zero_) zero_ = graph_.add_constant("relu6.min", Tensor::scalar(0.0f));
  if (!six_) six_ = graph_.add_constant("relu6.max", Tensor::scalar(6.0f));
  return graph_.add(make_op("", "Clip"), {x, zero_, six_}, name)->output();
}

Value* ModelBuilder::relu(Value* x, const std::string& name) {
  return graph_.add(make_op("", "Relu"), {x}, name)->output();
}

Value* ModelBuilder::sigmoid(Value* x, const std::string& name) {
  return graph_.add(make_op("", "Sigmoid"), {x}, name)->output();
}

Value* ModelBuilder::mul(Value* a, Value* b, const std::string& name) {
  return graph_.add(make_op("", "Mul"), {a, b}, name)->output();
}

Value* ModelBuilder::concat(const std::vector<Value*>& parts, const std::string& name) {
  auto op = std::make_unique<ops::Concat>();
  op->axis = 1;
  return graph_.add(std::move(op), parts, name)->output();
}

Value* ModelBuilder::max_pool(Value* x, int64_t kernel, int64_t stride, const std::string& name) {
  auto op = std::make_unique<ops::MaxPool>();
  int64_t pad = kernel % 2 ? kernel / 2 : 0;
  op->kernel_shape = {kernel, kernel};
  op->strides = {stride, stride};
  op->pads = {pad, pad, pad, pad};
  return graph_.add(std::move(op), {x}, name)->output();
}

Value* ModelBuilder::global_average(Value* x, const std::string& name) {
  return graph_.add(make_op("", "GlobalAveragePool"), {x}, name)->output();
}

Value* ModelBuilder::enlarge(Value* x, int64_t factor, const std::string& name) {
  auto op = std::make_unique<ops::Resize>();
  op->mode = "linear";
  auto scale = static_cast<float>(factor);
  Value* scales = graph_.add_constant(name + ".scales", Tensor::of<float>({4}, {1, 1, scale, scale}));
  return graph_.add(std::move(op), {x, nullptr, scales}, name)->output();
}

Value* ModelBuilder::add(Value* a, Value* b, const std::string& name) {
  return graph_.add(make_op("", "Add"), {a, b}, name)->output();
}

Value* ModelBuilder::hard_sigmoid(Value* x, const std::string& name) {
  auto op = make_op("", "HardSigmoid");
  set_attributes(*op, {{"alpha", 1.0f / 6}, {"beta", 0.5f}});
  return graph_.add(std::move(op), {x}, name)->output();
}

Value* ModelBuilder::hard_swish(Value* x, const std::string& name) {
  return graph_.add(make_op("", "HardSwish"), {x}, name)->output();
}

Value* ModelBuilder::swish(Value* x, const std::string& name) {
  return graph_.add(make_op("hone", "Swish"), {x}, name)->output();
}

Value* ModelBuilder::flat_average(Value* x, const std::string& name) {
  x = graph_.add(make_op("", "GlobalAveragePool"), {x}, name + ".pool")->output();
  return graph_.add(make_op("", "Flatten"), {x}, name + ".flatten")->output();
}

Value* ModelBuilder::dropout(Value* x, double ratio, const std::string& name) {
  if (ratio <= 0) return x;
  Value* value = graph_.add_constant(name + ".dropout.ratio", Tensor::scalar(static_cast<float>(ratio)));
  return graph_.add(make_op("", "Dropout"), {x, value}, name + ".dropout")->output();
}

Value* ModelBuilder::linear(Value* x, int64_t out, double deviation, const std::string& name) {
  auto op = std::make_unique<ops::Gemm>();
  op->transB = 1;
  Value* w = weight(name + ".weight", {out, x->shape()[1].value}, deviation);
  Value* b = graph_.add_constant(name + ".bias", Tensor::zeros(DType::f32, {out}));
  return graph_.add(std::move(op), {x, w, b}, name)->output();
}

Value* ModelBuilder::classifier(Value* x, int64_t classes, double ratio, const std::string& name) {
  return linear(dropout(flat_average(x, name), ratio, name), classes, 0.01, name);
}

int64_t scaled_channels(int64_t channels, double width) {
  double wanted = static_cast<double>(channels) * width;
  int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

}  // namespace hone
