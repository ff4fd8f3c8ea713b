#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = smallest x along axes; for no elements +inf, or the highest integer
struct ReduceMin : ReductionOf<ReduceMin> {
  const char* type() const override { return "ReduceMin"; }
  const char* summary() const override { return "y = smallest x along axes"; }
  Types types() const override { return Types::numbers_or_bool; }
  uint32_t traits() const override { return static_cast<uint32_t>(Trait::scale_preserving); }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers_or_bool>(context, *this, [](auto group) {
      using Value = typename decltype(group)::Value;
      using Limits = std::numeric_limits<Value>;
      Value first = std::is_floating_point_v<Value> ? Limits::infinity() : Limits::max();
      return group.fold(first, [](Value best, Value value) { return min_nan(best, value); });
    });
  }
};

HONE_DEFINE_OP(ReduceMin)

}  // namespace hone::ops
