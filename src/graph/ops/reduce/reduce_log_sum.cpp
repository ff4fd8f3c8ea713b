#include <cmath>

#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = ln(sum of x) along axes; -inf for no elements
struct ReduceLogSum : ReductionOf<ReduceLogSum> {
  const char* type() const override { return "ReduceLogSum"; }
  const char* summary() const override { return "y = ln(sum of x) along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      return std::log(group.fold(0.0, [](double sum, auto value) { return sum + static_cast<double>(value); }));
    });
  }
};

HONE_DEFINE_OP(ReduceLogSum)

}  // namespace hone::ops
