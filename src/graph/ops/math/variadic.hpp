#pragma once
#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = op(...op(op(x0, x1), x2)..., xn) for any number of inputs of one type, with broadcasting. `combine` writes
/// op(a, b) to y; all three have the type of the inputs, or f32 when that is f16 or bf16, so that only the result is
/// rounded. `finish`, when given, changes the result in place.
void evaluate_variadic(EvalContext& context, FunctionRef<void(const Tensor& a, const Tensor& b, Tensor& y)> combine,
                       void (*finish)(Tensor& y, int64_t inputs) = nullptr);

/// The traits and counts that variadic ops share.
inline OpSpec variadic_spec(const char* summary) {
  return {.min_inputs = 1, .max_inputs = -1, .traits = commutative_traits, .summary = summary};
}

}  // namespace hone::ops
