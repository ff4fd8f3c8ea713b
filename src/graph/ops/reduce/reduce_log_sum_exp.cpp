#include <cmath>

#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = ln(sum of e^x) along axes; -inf for no elements
struct ReduceLogSumExp : ReductionOf<ReduceLogSumExp> {
  const char* type() const override { return "ReduceLogSumExp"; }
  const char* summary() const override { return "y = ln(sum of e^x) along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      // Shifted by the largest element, so that e^x does not overflow.
      double top = group.fold(-std::numeric_limits<double>::infinity(), [](double best, auto value) {
        return max_nan(best, static_cast<double>(value));
      });
      if (std::isinf(top)) return top;
      return top + std::log(group.fold(0.0, [&](double sum, auto value) {
               return sum + std::exp(static_cast<double>(value) - top);
             }));
    });
  }
};

HONE_DEFINE_OP(ReduceLogSumExp)

}  // namespace hone::ops
