#include <cmath>

#include "graph/ops/nn/pooling/global_pool.hpp"

namespace hone::ops {

/// The p-norm of each channel: [N, C, spatial...] to [N, C, 1...].
struct GlobalLpPool : OpOf<GlobalLpPool> {
  int64_t p = 2;

  const char* type() const override { return "GlobalLpPool"; }
  OpSpec spec() const override { return {.summary = "y = (sum of |x|^p of each channel) ^ (1 / p)"}; }
  void attributes(AttributeVisitor& visitor) override { visitor.field("p", p); }

  void infer(InferContext& context) const override {
    check_p(context);
    infer_global_pool(context);
  }

  void evaluate(EvalContext& context) const override {
    check_p(context);
    evaluate_global_pool(context, [power = static_cast<double>(p)](const auto* x, int64_t count) {
      double sum = 0;
      for (int64_t i = 0; i < count; ++i) sum += std::pow(std::abs(static_cast<double>(x[i])), power);
      return std::pow(sum, 1 / power);
    });
  }

 private:
  template <class Context>
  void check_p(Context& context) const {
    if (p < 1) context.fail(fmt::format("p is {}, expected at least 1", p));
  }
};

HONE_DEFINE_OP(GlobalLpPool)

}  // namespace hone::ops
