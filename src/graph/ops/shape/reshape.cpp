#include "graph/ops/shape/reshape.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Reshape::spec() const {
  return {.min_inputs = 2, .max_inputs = 2, .traits = Trait::view | Trait::scale_preserving,
          .summary = "y = x with the sizes of input 1"};
}

void Reshape::attributes(AttributeVisitor& visitor) { visitor.field("allowzero", allowzero); }

namespace {
/// The size that makes the element counts equal, by canceling the sizes that both sides have.
Dim missing_size(std::vector<Dim> input, const std::vector<Dim>& others) {
  int64_t known_input = 1, known_others = 1;
  for (const Dim& dim : others) {
    if (dim.known()) {
      if (__builtin_mul_overflow(known_others, dim.value, &known_others)) return {};
      continue;
    }
    auto same = dim.symbol.empty() ? input.end() : std::find(input.begin(), input.end(), dim);
    if (same == input.end()) return {};
    input.erase(same);
  }
  std::vector<Dim> rest;
  for (const Dim& dim : input) {
    if (!dim.known()) rest.push_back(dim);
    else if (__builtin_mul_overflow(known_input, dim.value, &known_input)) return {};
  }
  if (known_others == 0) return 0;  // no elements either way
  if (known_input % known_others != 0) return {};
  rest.push_back(known_input / known_others);
  return product(rest);
}

/// Replaces zeros by the sizes of the input and checks what can be checked.
template <class Context>
void copy_zeros(Context& context, const std::vector<Dim>& input, std::vector<Dim>& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != Dim(0)) continue;
    if (i >= input.size())
      context.fail(fmt::format("size {} is 0 (copy the input's), but the input has rank {}", i, input.size()));
    wanted[i] = input[i];
  }
}

template <class Context>
void check_sizes(Context& context, const std::vector<int64_t>& sizes, bool allowzero) {
  for (int64_t size : sizes)
    if (size < -1) context.fail("new shape " + to_string(Dims(sizes)) + " has a size below -1");
  if (std::count(sizes.begin(), sizes.end(), -1) > 1)
    context.fail("new shape " + to_string(Dims(sizes)) + " has more than one -1");
  if (allowzero && std::count(sizes.begin(), sizes.end(), -1) && std::count(sizes.begin(), sizes.end(), 0))
    context.fail("new shape " + to_string(Dims(sizes)) + " has both -1 and 0, with allowzero the -1 could be anything");
}

template <class Context>
[[noreturn]] void fail_counts(Context& context, const Dims& input, const std::vector<int64_t>& wanted) {
  context.fail(
      fmt::format("cannot reshape {} ({} elements) to {}", to_string(input), element_count(input),
                  to_string(Dims(wanted))),
      "if the first size is the batch, export the model with batch -1 or run it with the batch it was exported for");
}
}  // namespace

void Reshape::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  if (context.constant(1)) check_sizes(context, *known_ints(context, 1), allowzero != 0);
  auto wanted = known_dims(context, 1);
  if (!wanted) {
    const Shape& list = context.shape(1);
    bool rank_known = list.ranked && list.rank() == 1 && list[0].known() && list[0].value <= 64;
    return context.set_output(0, context.dtype(0), rank_known ? unknown_sizes(list[0].value) : Shape());
  }
  bool copies = !allowzero && std::find(wanted->begin(), wanted->end(), Dim(0)) != wanted->end();
  if (x.ranked && copies) copy_zeros(context, x.dims, *wanted);
  else if (copies) std::replace(wanted->begin(), wanted->end(), Dim(0), Dim());
  auto unknown = [](const Dim& dim) { return dim == Dim(); };
  if (x.ranked && std::count_if(wanted->begin(), wanted->end(), unknown) == 1) {
    std::vector<Dim> others;
    std::remove_copy_if(wanted->begin(), wanted->end(), std::back_inserter(others), unknown);
    *std::find_if(wanted->begin(), wanted->end(), unknown) = missing_size(x.dims, others);
  }
  Shape result(*wanted);
  if (x.is_static() && result.is_static() && element_count(x.concrete()) != element_count(result.concrete()))
    fail_counts(context, x.concrete(), result.concrete());
  if (x.is_static() && !result.is_static() && context.constant(1))
    fail_counts(context, x.concrete(), *known_ints(context, 1));
  context.set_output(0, context.dtype(0), result);
  if (auto value = context.dims_value(0); value && result.rank() <= 1) context.set_dims_value(0, *value);
}

void Reshape::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  std::vector<int64_t> wanted = int_list(context, 1);
  check_sizes(context, wanted, allowzero != 0);
  Dims sizes = wanted;
  int64_t others = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0 && !allowzero) {
      if (i >= x.dims().size())
        context.fail(fmt::format("size {} is 0 (copy the input's), but the input has rank {}", i, x.rank()));
      sizes[i] = x.dims()[i];
    }
    if (sizes[i] >= 0 && __builtin_mul_overflow(others, sizes[i], &others)) fail_counts(context, x.dims(), wanted);
  }
  auto open = std::find(sizes.begin(), sizes.end(), -1);
  if (open != sizes.end()) {
    // With no elements at all any size would do; 0 keeps the product right.
    *open = others == 0 ? 0 : x.size() / others;
    if (others != 0) others *= *open;
  }
  if (others != x.size()) fail_counts(context, x.dims(), wanted);
  context.set(0, x.reshaped(sizes));
}

HONE_DEFINE_OP(Reshape)

}  // namespace hone::ops
