#include <cmath>

#include "graph/ops/elementwise.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// y = x / sqrt(mean(x^2) + epsilon) * scale over the dimensions from `axis` on. Inputs: x, scale (broadcasts to those
/// dimensions); y has the type of scale.
struct RMSNormalization : OpOf<RMSNormalization> {
  int64_t axis = -1;
  float epsilon = 1e-5f;
  int64_t stash_type = 1;  ///< type of the statistics; 1 is f32

  const char* type() const override { return "RMSNormalization"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y = x / sqrt(mean(x^2) + epsilon) * scale from axis on"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("epsilon", epsilon);
    visitor.field("stash_type", stash_type);
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    if (x.ranked) front_axis(context, axis, x.rank());
    context.set_output(0, context.dtype(1), x);
  }

  void evaluate(EvalContext& context) const override {
    const Dims& dims = context.in(0).dims();
    size_t at = front_axis(context, axis, static_cast<int64_t>(dims.size()));
    Dims tail(dims.begin() + static_cast<int64_t>(at), dims.end());
    if (broadcast(context.in(1).dims(), tail) != tail)
      context.fail(fmt::format("scale has shape {}, expected {}", to_string(context.in(1).dims()), to_string(tail)));
    DType dtype = context.in(1).dtype();
    bool wide = dtype == DType::f64 || context.in(0).dtype() == DType::f64;
    int64_t rows = count_between(dims, 0, at), length = element_count(tail);
    with_float(context, wide ? DType::f64 : context.in(0).dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0), scale = input_as<T>(context, 1);
      output_as<T>(context, 0, dtype, dims, [&](T* y) {
        const T* in = pointer<T>(x);
        for (int64_t i = 0; i < rows; ++i, in += length, y += length) {
          double squares = 0;
          for (int64_t k = 0; k < length; ++k) squares += static_cast<double>(in[k]) * static_cast<double>(in[k]);
          auto factor =
              static_cast<T>(1 / std::sqrt(squares / static_cast<double>(length) + static_cast<double>(epsilon)));
          for_each_broadcast(tail, tail, scale.dims(),
                             [&](int64_t k, int64_t, int64_t s) { y[k] = in[k] * factor * pointer<T>(scale)[s]; });
        }
      });
    });
  }
};

HONE_DEFINE_OP(RMSNormalization)

}  // namespace hone::ops
