#include <cmath>

#include "graph/ops/axis.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// y = x / (sum of |x|^p along an axis) ^ (1 / p); lines of zeros stay zero.
struct LpNormalization : OpOf<LpNormalization> {
  int64_t axis = -1;
  int64_t p = 2;  ///< 1 or 2

  const char* type() const override { return "LpNormalization"; }
  OpSpec spec() const override { return {.summary = "y = x / (sum of |x|^p along an axis) ^ (1 / p)"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("p", p);
  }

  void infer(InferContext& context) const override {
    check_p(context);
    if (context.shape(0).ranked) front_axis(context, axis, context.shape(0).rank());
    context.set_output(0, context.dtype(0), context.shape(0));
  }

  void evaluate(EvalContext& context) const override {
    check_p(context);
    const Tensor& in = context.in(0);
    AxisView view(in.dims(), front_axis(context, axis, in.rank()));
    with_float(context, in.dtype(), [&]<class T>(T) {
      Tensor wide = input_as<T>(context, 0);
      const T* x = pointer<T>(wide);
      output_as<T>(context, 0, in.dtype(), in.dims(), [&](T* y) {
        for (int64_t line = 0; line < view.outer * view.inner; ++line) {
          int64_t begin = line / view.inner * view.size * view.inner + line % view.inner;
          double sum = 0;
          for (int64_t i = 0; i < view.size; ++i) {
            double value = std::abs(static_cast<double>(x[begin + i * view.inner]));
            sum += p == 1 ? value : value * value;
          }
          double norm = p == 1 ? sum : std::sqrt(sum);
          for (int64_t i = 0; i < view.size; ++i) {
            int64_t at = begin + i * view.inner;
            y[at] = norm == 0 ? T(0) : static_cast<T>(static_cast<double>(x[at]) / norm);
          }
        }
      });
    });
  }

 private:
  template <class Context>
  void check_p(Context& context) const {
    if (p != 1 && p != 2) context.fail(fmt::format("p is {}, expected 1 or 2", p));
  }
};

HONE_DEFINE_OP(LpNormalization)

}  // namespace hone::ops
