#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = sum of x along axes; 0 for no elements, integers wrap around
struct ReduceSum : ReductionOf<ReduceSum> {
  const char* type() const override { return "ReduceSum"; }
  const char* summary() const override { return "y = sum of x along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      return group.sum([](auto value) { return value; });
    });
  }
};

HONE_DEFINE_OP(ReduceSum)

}  // namespace hone::ops
