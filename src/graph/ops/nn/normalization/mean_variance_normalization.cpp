#include <cmath>

#include "graph/ops/elementwise.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// y = (x - mean) / (deviation + 1e-9), both over `axes`.
struct MeanVarianceNormalization : OpOf<MeanVarianceNormalization> {
  std::vector<int64_t> axes{0, 2, 3};

  const char* type() const override { return "MeanVarianceNormalization"; }
  OpSpec spec() const override { return {.summary = "y = (x - mean) / (deviation + 1e-9) over axes"}; }
  void attributes(AttributeVisitor& visitor) override { visitor.field("axes", axes); }

  void infer(InferContext& context) const override {
    if (context.shape(0).ranked) front_axes(context, axes, context.shape(0).rank());
    context.set_output(0, context.dtype(0), context.shape(0));
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& in = context.in(0);
    Dims groups = in.dims();  // the sizes of the statistics
    for (size_t axis : front_axes(context, axes, in.rank())) groups[axis] = 1;
    auto count = static_cast<size_t>(element_count(groups));
    with_float(context, in.dtype(), [&]<class T>(T) {
      Tensor wide = input_as<T>(context, 0);
      const T* x = pointer<T>(wide);
      std::vector<double> mean(count, 0), deviation(count, 0);
      double share = static_cast<double>(count) / static_cast<double>(std::max<int64_t>(in.size(), 1));
      auto visit = [&](auto f) {
        for_each_broadcast(in.dims(), in.dims(), groups,
                           [&](int64_t i, int64_t, int64_t g) { f(i, static_cast<size_t>(g)); });
      };
      visit([&](int64_t i, size_t g) { mean[g] += static_cast<double>(x[i]) * share; });
      visit([&](int64_t i, size_t g) {
        double distance = static_cast<double>(x[i]) - mean[g];
        deviation[g] += distance * distance * share;
      });
      for (double& value : deviation) value = std::sqrt(value) + 1e-9;
      output_as<T>(context, 0, in.dtype(), in.dims(), [&](T* y) {
        visit(
            [&](int64_t i, size_t g) { y[i] = static_cast<T>((static_cast<double>(x[i]) - mean[g]) / deviation[g]); });
      });
    });
  }
};

HONE_DEFINE_OP(MeanVarianceNormalization)

}  // namespace hone::ops
