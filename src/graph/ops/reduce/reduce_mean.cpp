#include "graph/ops/math/arithmetic.hpp"
#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = mean of x along axes; for no elements NaN, or 0 for integers, which truncate
struct ReduceMean : ReductionOf<ReduceMean> {
  const char* type() const override { return "ReduceMean"; }
  const char* summary() const override { return "y = mean of x along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      using Element = typename GroupElement<decltype(group)>::type;
      auto sum = group.sum([](auto value) { return value; });
      if constexpr (is_float_type<Element>) return sum / static_cast<double>(group.count());
      else if constexpr (std::is_signed_v<Element>) return divide(static_cast<int64_t>(sum), group.count());
      else return divide(sum, static_cast<uint64_t>(group.count()));
    });
  }
};

HONE_DEFINE_OP(ReduceMean)

}  // namespace hone::ops
