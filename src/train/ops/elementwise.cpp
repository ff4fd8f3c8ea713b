#include <limits>

#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();

template <class F>
Tensors fold(OpCall& call, F f) {
  at::Tensor result = call.in(0);
  for (size_t i = 1; i < call.inputs.size(); ++i) result = f(result, call.in(i));
  return {result};
}
}  // namespace

// Activations. Relu and Clip follow most convolutions: overwriting their input saves memory traffic.
Tensors relu(OpCall& call) {
  at::Tensor x = call.in(0);
  return {call.may_overwrite ? at::relu_(x) : at::relu(x)};
}

Tensors clip(OpCall& call) {
  at::Tensor x = call.in(0);
  if (!x.is_floating_point()) {
    c10::optional<at::Tensor> low, high;
    if (call.has(1)) low = call.in(1);
    if (call.has(2)) high = call.in(2);
    return {low || high ? at::clamp(x, low, high) : x};
  }
  double low = call.number(1, -infinity), high = call.number(2, infinity);
  return {call.may_overwrite ? at::hardtanh_(x, low, high) : at::hardtanh(x, low, high)};
}

Tensors leaky_relu(OpCall& call) { return {at::leaky_relu(call.in(0), call.real("alpha", 0.01))}; }

Tensors prelu(OpCall& call) {
  const at::Tensor &x = call.in(0), &slope = call.in(1);
  return {at::clamp_min(x, 0) + slope * at::clamp_max(x, 0)};
}

Tensors elu(OpCall& call) { return {at::elu(call.in(0), call.real("alpha", 1))}; }
Tensors sigmoid(OpCall& call) { return {at::sigmoid(call.in(0))}; }
Tensors hard_sigmoid(OpCall& call) {
  return {at::clamp(call.in(0) * call.real("alpha", 0.2) + call.real("beta", 0.5), 0, 1)};
}
Tensors hard_swish(OpCall& call) { return {at::hardswish(call.in(0))}; }
Tensors swish(OpCall& call) {
  const at::Tensor& x = call.in(0);
  double alpha = call.real("alpha", 1);
  return {alpha == 1 ? at::silu(x) : x * at::sigmoid(x * alpha)};
}
Tensors gelu(OpCall& call) { return {at::gelu(call.in(0), call.text("approximate", "none"))}; }
Tensors tanh(OpCall& call) { return {at::tanh(call.in(0))}; }
Tensors softplus(OpCall& call) { return {at::softplus(call.in(0))}; }
Tensors mish(OpCall& call) { return {at::mish(call.in(0))}; }

// Arithmetic.
Tensors add(OpCall& call) { return {call.in(0) + call.in(1)}; }
Tensors sub(OpCall& call) { return {call.in(0) - call.in(1)}; }
Tensors mul(OpCall& call) { return {call.in(0) * call.in(1)}; }
Tensors div(OpCall& call) {
  const at::Tensor &a = call.in(0), &b = call.in(1);
  if (a.is_floating_point()) return {a / b};
  return {at::div(a, b, "trunc")};
}
Tensors pow(OpCall& call) {
  const at::Tensor& x = call.in(0);
  if (call.in(1).numel() == 1 && call.in(1).dim() <= x.dim()) return {at::pow(x, call.in(1).item())};
  return {at::pow(x, call.in(1)).to(x.scalar_type())};
}
Tensors sqrt(OpCall& call) { return {at::sqrt(call.in(0))}; }
Tensors exp(OpCall& call) { return {at::exp(call.in(0))}; }
Tensors log(OpCall& call) { return {at::log(call.in(0))}; }
Tensors neg(OpCall& call) { return {at::neg(call.in(0))}; }
Tensors abs(OpCall& call) { return {at::abs(call.in(0))}; }
Tensors erf(OpCall& call) { return {at::erf(call.in(0))}; }
Tensors min(OpCall& call) {
  return fold(call, [](const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); });
}
Tensors max(OpCall& call) {
  return fold(call, [](const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); });
}
Tensors where(OpCall& call) { return {at::where(call.in(0).to(at::kBool), call.in(1), call.in(2))}; }
Tensors cast(OpCall& call) {
  return {call.in(0).to(to_torch(static_cast<DType>(call.integer("to", 1)), call.node.place()))};
}
Tensors identity(OpCall& call) { return {call.in(0)}; }

}  // namespace hone::torch_ops
