#pragma once
#include "graph/ops/axis.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

/// y[i] = x[0] (+) ... (+) x[i] along the axis in input 1, where (+) is Derived::combine and Derived::neutral what it
/// leaves as it is. Floating point is folded in double, integers modulo 2^64.
template <class Derived>
struct Cumulative : OpOf<Derived> {
  bool exclusive = false;  ///< y[i] leaves out x[i]
  bool reverse = false;    ///< begins at the other end

  void attributes(AttributeVisitor& visitor) override {
    visitor.field("exclusive", exclusive);
    visitor.field("reverse", reverse);
  }
  void infer(InferContext& context) const override {
    require_types(context, 0, Types::numbers);
    require_types(context, 1, Types::integers);
    auto axis = known_ints(context, 1);
    if (axis && axis->size() == 1 && context.shape(0).ranked) front_axis(context, (*axis)[0], context.shape(0).rank());
    context.set_output(0, context.dtype(0), context.shape(0));
  }
  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &axis = context.in(1);
    if (axis.size() != 1) context.fail("axis (input 1) is " + to_string(axis.dims()) + ", expected one element");
    AxisView view(x.dims(), front_axis(context, axis.to_ints()[0], x.rank()));
    dispatch_types<Types::numbers>(context, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* out = static_cast<T*>(context.out(0, x.dtype(), x.dims()).mutable_raw());
      fold(static_cast<const T*>(x.raw()), out, view);
    });
  }

 private:
  template <class T>
  void fold(const T* in, T* out, const AxisView& view) const {
    using Folded = std::conditional_t<is_float_type<T>, double, uint64_t>;
    for (int64_t line = 0; line < view.outer * view.inner; ++line) {
      int64_t begin = line / view.inner * view.size * view.inner + line % view.inner;
      Folded folded = Derived::neutral;
      for (int64_t i = 0; i < view.size; ++i) {
        int64_t at = begin + (reverse ? view.size - 1 - i : i) * view.inner;
        Folded before = folded;
        folded = Derived::combine(folded, static_cast<Folded>(static_cast<Wide<T>>(in[at])));
        out[at] = static_cast<T>(static_cast<Wide<T>>(exclusive ? before : folded));
      }
    }
  }
};

}  // namespace hone::ops
