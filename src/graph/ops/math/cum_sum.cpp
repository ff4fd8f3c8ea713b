#include "graph/ops/axis.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

namespace {
template <class T>
void running_sums(const T* in, T* out, const AxisView& view, bool exclusive, bool reverse) {
  using Sum = std::conditional_t<is_float_type<T>, double, uint64_t>;
  for (int64_t line = 0; line < view.outer * view.inner; ++line) {
    int64_t begin = line / view.inner * view.size * view.inner + line % view.inner;
    Sum sum = 0;
    for (int64_t i = 0; i < view.size; ++i) {
      int64_t at = begin + (reverse ? view.size - 1 - i : i) * view.inner;
      Sum before = sum;
      sum += static_cast<Sum>(static_cast<Wide<T>>(in[at]));
      out[at] = static_cast<T>(static_cast<Wide<T>>(exclusive ? before : sum));
    }
  }
}
}  // namespace

/// y[i] = x[0] + ... + x[i] along the axis in input 1
struct CumSum : OpOf<CumSum> {
  bool exclusive = false;  ///< y[i] leaves out x[i]
  bool reverse = false;    ///< sums begin at the other end

  const char* type() const override { return "CumSum"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y[i] = x[0] + ... + x[i] along an axis"};
  }
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
      running_sums(static_cast<const T*>(x.raw()), out, view, exclusive, reverse);
    });
  }
};

HONE_DEFINE_OP(CumSum)

}  // namespace hone::ops
