#include <cmath>

#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = sqrt(sum of x^2) along axes
struct ReduceL2 : ReductionOf<ReduceL2> {
  const char* type() const override { return "ReduceL2"; }
  const char* summary() const override { return "y = sqrt(sum of x^2) along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      return std::sqrt(group.fold(0.0, [](double sum, auto value) {
        double real = static_cast<double>(value);
        return sum + real * real;
      }));
    });
  }
};

HONE_DEFINE_OP(ReduceL2)

}  // namespace hone::ops
