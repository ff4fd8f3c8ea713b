#include "graph/ops/math/arithmetic.hpp"

#include <algorithm>

namespace hone::ops {

std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
}
std::optional<int64_t> checked_sub(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_sub_overflow(a, b, &result) ? std::nullopt : std::optional(result);
}
std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
}
std::optional<int64_t> checked_div(int64_t a, int64_t b) {
  return b == 0 ? std::nullopt : std::optional(divide(a, b));
}

namespace {

/// One integer of an input: its number, which may be negative, or else what is known of it as a size.
struct Operand {
  std::optional<int64_t> number;
  Dim dim;
};

/// The integers of input i; empty when nothing is known of them.
std::vector<Operand> operands(const InferContext& context, size_t i) {
  std::vector<Operand> result;
  const Tensor* constant = context.constant(i);
  if (constant && constant->dtype() == DType::i64 && constant->size() <= 64) {
    for (int64_t number : constant->data<int64_t>()) result.push_back({number, Dim()});
  } else if (auto dims = context.dims_value(i)) {
    for (const Dim& dim : *dims) result.push_back({dim.known() ? std::optional(dim.value) : std::nullopt, dim});
  }
  return result;
}

}  // namespace

void propagate_dims(InferContext& context, DimRule rule, std::optional<int64_t> (*compute)(int64_t, int64_t)) {
  const Shape& result = context.outputs[0].shape;
  if (context.outputs[0].dtype != DType::i64 || !result.ranked || result.rank() > 1) return;
  std::vector<Operand> a = operands(context, 0), b = operands(context, 1);
  if (a.empty() || b.empty()) return;
  size_t size = a.size() == 1 ? b.size() : a.size();
  if (b.size() != 1 && b.size() != size) return;
  std::vector<Dim> value(size);
  for (size_t i = 0; i < size; ++i) {
    const Operand& x = a[a.size() == 1 ? 0 : i];
    const Operand& y = b[b.size() == 1 ? 0 : i];
    if (x.number && y.number) {
      // A negative result is a number that a Dim cannot say.
      auto number = compute(*x.number, *y.number);
      if (number && *number >= 0) value[i] = *number;
    } else if (y.number == rule.neutral) {
      value[i] = x.dim;
    } else if (rule.commutative && x.number == rule.neutral) {
      value[i] = y.dim;
    }
  }
  if (std::any_of(value.begin(), value.end(), [](const Dim& dim) { return dim != Dim(); }))
    context.set_dims_value(0, std::move(value));
}

}  // namespace hone::ops
