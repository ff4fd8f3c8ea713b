#include "graph/ops/math/variadic.hpp"

namespace hone::ops {

void evaluate_variadic(EvalContext& context, FunctionRef<void(const Tensor& a, const Tensor& b, Tensor& y)> combine,
                       void (*finish)(Tensor& y, int64_t inputs)) {
  DType dtype = context.in(0).dtype();
  bool narrow = dtype == DType::f16 || dtype == DType::bf16;
  DType wide = narrow ? DType::f32 : dtype;
  Tensor result = context.in(0).cast(wide);
  bool own = narrow;
  for (size_t i = 1; i < context.input_count(); ++i) {
    const Tensor& next = context.in(i);
    if (next.dtype() != dtype)
      context.fail(std::string("inputs 0 and ") + std::to_string(i) + " are " + name_of(dtype) + " and " +
                       name_of(next.dtype()) + ", expected one type",
                   "insert a Cast");
    auto dims = broadcast(result.dims(), next.dims());
    if (!dims)
      context.fail("shapes " + to_string(result.dims()) + " and " + to_string(next.dims()) + " do not broadcast");
    Tensor combined(wide, *dims);
    combine(result, next.cast(wide), combined);
    result = std::move(combined);
    own = true;
  }
  if (finish) {
    if (!own) result = result.clone();
    finish(result, static_cast<int64_t>(context.input_count()));
  }
  context.set(0, result.cast(dtype));
}

}  // namespace hone::ops
