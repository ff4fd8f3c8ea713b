#pragma once
#include "base/error.hpp"
#include "graph/op.hpp"
#include "graph/ops/broadcast.hpp"
#include "graph/ops/types.hpp"

/// What elementwise ops share: shape rules and evaluation by a function of one or two numbers.
namespace hone::ops {

constexpr uint32_t elementwise_traits = Trait::elementwise | Trait::layout_agnostic;
constexpr uint32_t commutative_traits = elementwise_traits | Trait::commutative;
constexpr uint32_t activation_traits = elementwise_traits | Trait::activation;

/// Output 0 has the type of input 0.
void infer_same(InferContext& context);
/// Output 0 has the broadcast shape of all inputs and the type of input 0, or `dtype` when given.
void infer_broadcast(InferContext& context, DType dtype = DType::undefined);

/// y[i] = f(x[i]) for every numeric type; f16 and bf16 are computed in f32.
template <class F>
void evaluate_unary(EvalContext& context, F f) {
  const Tensor& x = context.in(0);
  Tensor& y = context.out(0, x.dtype(), x.dims());
  dispatch(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(y.mutable_raw());
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      for (int64_t i = 0; i < x.size(); ++i) out[i] = T(static_cast<float>(f(static_cast<float>(in[i]))));
    } else {
      for (int64_t i = 0; i < x.size(); ++i) out[i] = static_cast<T>(f(in[i]));
    }
  });
}

/// As evaluate_unary, for functions that make sense for floating point only; other types are an Error.
template <class F>
void evaluate_unary_float(EvalContext& context, F f) {
  const Tensor& x = context.in(0);
  Tensor& y = context.out(0, x.dtype(), x.dims());
  auto run = [&](auto tag, auto wide) {
    using T = decltype(tag);
    using Wide = decltype(wide);
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(y.mutable_raw());
    for (int64_t i = 0; i < x.size(); ++i) out[i] = T(static_cast<Wide>(f(static_cast<Wide>(in[i]))));
  };
  switch (x.dtype()) {
    case DType::f32: return run(float{}, float{});
    case DType::f64: return run(double{}, double{});
    case DType::f16: return run(Half{}, float{});
    case DType::bf16: return run(BFloat16{}, float{});
    default: context.fail(std::string("input is ") + name_of(x.dtype()) + ", expected a floating-point type");
  }
}

/// For each element of the broadcast result, the element indices of `a` and `b`: visit(i, index_a, index_b).
template <class Visit>
void for_each_broadcast(const Dims& result, const Dims& a, const Dims& b, Visit visit) {
  for_each_broadcast_row(result, {&a, &b}, [&](const BroadcastRow& row) {
    for (int64_t i = 0; i < row.count; ++i)
      visit(row.out + i, row.begin[0] + i * row.step[0], row.begin[1] + i * row.step[1]);
  });
}

/// As infer_same, for inputs of the given types.
void infer_unary(InferContext& context, Types types);
/// As infer_broadcast, for two or more inputs of one of the given types.
void infer_binary(InferContext& context, Types types, DType dtype = DType::undefined);

/// y[..] = f(a[..], b[..]) for tensors of element types T and Out that broadcast to y's sizes.
template <class T, class Out, class F>
void binary_rows(const Tensor& a, const Tensor& b, Tensor& y, F f) {
  const T *x0 = static_cast<const T*>(a.raw()), *x1 = static_cast<const T*>(b.raw());
  Out* out = static_cast<Out*>(y.mutable_raw());
  for_each_broadcast_row(y.dims(), {&a.dims(), &b.dims()}, [&](const BroadcastRow& row) {
    const T *p = x0 + row.begin[0], *q = x1 + row.begin[1];
    Out* to = out + row.out;
    auto apply = [&](int64_t i, int64_t j, int64_t k) {
      to[i] = static_cast<Out>(f(static_cast<Wide<T>>(p[j]), static_cast<Wide<T>>(q[k])));
    };
    if (row.step[0] == 1 && row.step[1] == 1)
      for (int64_t i = 0; i < row.count; ++i) apply(i, i, i);
    else
      for (int64_t i = 0; i < row.count; ++i) apply(i, i * row.step[0], i * row.step[1]);
  });
}

/// The sizes of the broadcast of inputs 0 and 1; throws Error when they have none.
Dims broadcast_dims(const EvalContext& context);

/// out[i] = f(a[..], b[..]) with numpy broadcasting; both inputs have one type, the output has `Out` or that type.
/// f16 and bf16 are computed in f32.
template <class Out = void, Types types = Types::numbers_or_bool, class F>
void evaluate_binary(EvalContext& context, F f) {
  const Tensor &a = context.in(0), &b = context.in(1);
  if (a.dtype() != b.dtype())
    context.fail(std::string("inputs are ") + name_of(a.dtype()) + " and " + name_of(b.dtype()) + ", expected one type",
                 "insert a Cast");
  Dims dims = broadcast_dims(context);
  dispatch_types<types>(context, a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Result = std::conditional_t<std::is_void_v<Out>, T, Out>;
    binary_rows<T, Result>(a, b, context.out(0, dtype_of<Result>(), dims), f);
  });
}

}  // namespace hone::ops
