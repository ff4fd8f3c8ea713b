#include "graph/ops/activation/clip.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

namespace {

const char* bound_name(size_t input) { return input == 1 ? "min" : "max"; }

/// The value of bound `input`, or `fallback` when it is absent.
template <class T>
Wide<T> bound(const EvalContext& context, size_t input, Wide<T> fallback) {
  if (!context.has(input)) return fallback;
  const Tensor& value = context.in(input);
  if (value.size() != 1 || value.dtype() != dtype_of<T>())
    context.fail(std::string(bound_name(input)) + " is " + name_of(value.dtype()) + to_string(value.dims()) +
                 ", expected a scalar of type " + name_of(dtype_of<T>()));
  return static_cast<Wide<T>>(value.data<T>()[0]);
}

}  // namespace

OpSpec Clip::spec() const {
  return {.min_inputs = 1, .max_inputs = 3, .traits = activation_traits, .summary = "y = min(max(x, low), high)"};
}

void Clip::infer(InferContext& context) const {
  for (size_t i = 1; i < context.input_count(); ++i) {
    require_same_type(context, 0, i);
    if (!context.has_input(i)) continue;
    const Shape& shape = context.shape(i);
    bool single = !shape.ranked || shape.rank() == 0 ||
                  (shape.rank() == 1 && (!shape[0].known() || shape[0].value == 1));
    if (!single) context.fail(std::string(bound_name(i)) + " is " + to_string(shape) + ", expected a scalar");
  }
  infer_unary(context, Types::numbers);
}

void Clip::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  dispatch_types<Types::numbers>(context, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Limits = std::numeric_limits<Wide<T>>;
    constexpr bool real = is_float_type<T>;
    Wide<T> low = bound<T>(context, 1, real ? -Limits::infinity() : Limits::lowest());
    Wide<T> high = bound<T>(context, 2, real ? Limits::infinity() : Limits::max());
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(context.out(0, x.dtype(), x.dims()).mutable_raw());
    for (int64_t i = 0; i < x.size(); ++i) {
      auto value = static_cast<Wide<T>>(in[i]);
      value = value < low ? low : value;
      out[i] = T(value > high ? high : value);
    }
  });
}

HONE_DEFINE_OP(Clip)

}  // namespace hone::ops
