#include "graph/ops/reduce/reduction.hpp"

namespace hone::ops {

/// y = product of x along axes; 1 for no elements, integers wrap around
struct ReduceProd : ReductionOf<ReduceProd> {
  const char* type() const override { return "ReduceProd"; }
  const char* summary() const override { return "y = product of x along axes"; }
  void evaluate(EvalContext& context) const override {
    evaluate_reduction<Types::numbers>(context, *this, [](auto group) {
      using Product = typename decltype(group)::Sum;
      return group.fold(Product(1), [](Product product, auto value) { return product * static_cast<Product>(value); });
    });
  }
};

HONE_DEFINE_OP(ReduceProd)

}  // namespace hone::ops
