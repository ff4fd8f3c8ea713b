#include <cmath>

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// y = start, start + delta, ... up to but without limit. Inputs: start, limit, delta (scalars of one type).
struct Range : OpOf<Range> {
  const char* type() const override { return "Range"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .traits = 0u | Trait::data_dependent,
            .summary = "y = start, start + delta, ... below limit"};
  }

  template <class Context>
  static int64_t count(Context& context, const Tensor& start, const Tensor& limit, const Tensor& delta) {
    if (start.dtype() != limit.dtype() || start.dtype() != delta.dtype())
      context.fail(fmt::format("start, limit and delta are {}, {} and {}, expected one type", name_of(start.dtype()),
                               name_of(limit.dtype()), name_of(delta.dtype())), "insert a Cast");
    double from = start.scalar_as_double(), to = limit.scalar_as_double(), step = delta.scalar_as_double();
    if (step == 0) context.fail("delta is 0");
    double elements = std::ceil((to - from) / step);
    if (std::isnan(elements) || elements > 1e10)
      context.fail(fmt::format("from {} to {} by {} is not a sensible range", from, to, step));
    return std::max<int64_t>(0, static_cast<int64_t>(elements));
  }

  void infer(InferContext& context) const override {
    const Tensor *start = context.constant(0), *limit = context.constant(1), *delta = context.constant(2);
    Dim size;
    if (start && limit && delta) {
      size = count(context, *start, *limit, *delta);
    } else {
      // From 0 by 1 to a symbolic size has that size.
      auto from = known_ints_of(context, 0), step = known_ints_of(context, 2);
      auto to = is_integer(context.dtype(1)) ? context.dims_value(1) : std::nullopt;
      if (from == 0 && step == 1 && to && to->size() == 1) size = (*to)[0];
    }
    context.set_output(0, context.dtype(0), Shape{size});
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &start = context.in(0), &delta = context.in(2);
    int64_t elements = count(context, start, context.in(1), delta);
    check_allocation(context.place(), start.dtype(), {elements});
    Tensor& y = context.out(0, start.dtype(), {elements});
    dispatch(start.dtype(), [&](auto tag) {
      using T = decltype(tag);
      using Wide = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
      auto from = static_cast<Wide>(*static_cast<const T*>(start.raw()));
      auto step = static_cast<Wide>(*static_cast<const T*>(delta.raw()));
      T* out = static_cast<T*>(y.mutable_raw());
      for (int64_t i = 0; i < elements; ++i) {
        auto value = from + static_cast<Wide>(i) * step;
        if constexpr (std::is_integral_v<T>) out[i] = static_cast<T>(value);
        else out[i] = T(static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(value));
      }
    });
  }

 private:
  static std::optional<int64_t> known_ints_of(const InferContext& context, size_t i) {
    if (context.dtype(i) != DType::i64 && context.dtype(i) != DType::i32) return std::nullopt;
    auto values = known_ints(context, i);
    return values && values->size() == 1 ? std::optional((*values)[0]) : std::nullopt;
  }
};

HONE_DEFINE_OP(Range)

}  // namespace hone::ops
