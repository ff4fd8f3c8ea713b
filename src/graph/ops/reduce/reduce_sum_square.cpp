#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = sum of x^2 along axes
struct ReduceSumSquare : ReductionOf<ReduceSumSquare> {
  const char* type() const override { return "ReduceSumSquare"; }
  const char* summary() const override { return "y = sum of x^2 along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      return group.squares();
    });
  }
};

HONE_DEFINE_OP(ReduceSumSquare)

}  // namespace hone::ops
