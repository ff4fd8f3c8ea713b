#include <cmath>

#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = sum of |x| along axes
struct ReduceL1 : ReductionOf<ReduceL1> {
  const char* type() const override { return "ReduceL1"; }
  const char* summary() const override { return "y = sum of |x| along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      return group.sum([](auto value) {
        using Value = decltype(value);
        if constexpr (std::is_floating_point_v<Value>) return std::abs(value);
        else return value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
      });
    });
  }
};

HONE_DEFINE_OP(ReduceL1)

}  // namespace hone::ops
