#include "graph/ops/shape/sizes.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/graph.hpp"

namespace hone::ops {

std::string axis_problem(const char* what, int64_t axis, int64_t rank) {
  if (rank == 0) return fmt::format("{} is {}, but the input is a scalar and has no axes", what, axis);
  return fmt::format("{} is {}, expected {} to {} for rank {}", what, axis, -rank, rank - 1, rank);
}

namespace {
std::vector<int64_t> checked_ints(const std::string& place, size_t i, const Tensor& tensor) {
  if (tensor.dtype() != DType::i64 && tensor.dtype() != DType::i32)
    throw Error(place, fmt::format("input {} is {}, expected i64", i, name_of(tensor.dtype())), "insert a Cast");
  if (tensor.rank() > 1)
    throw Error(place, fmt::format("input {} has shape {}, expected a list of integers", i, to_string(tensor.dims())));
  return tensor.to_ints();
}
}  // namespace

std::optional<std::vector<int64_t>> known_ints(const InferContext& context, size_t i) {
  if (const Tensor* constant = context.constant(i)) return checked_ints(context.node.place(), i, *constant);
  if (!context.has_input(i)) return std::nullopt;
  auto dims = context.dims_value(i);
  if (!dims) return std::nullopt;
  std::vector<int64_t> result;
  for (const Dim& dim : *dims) {
    if (!dim.known()) return std::nullopt;
    result.push_back(dim.value);
  }
  return result;
}

std::optional<std::vector<Dim>> known_dims(const InferContext& context, size_t i) {
  if (context.constant(i)) {
    std::vector<int64_t> values = *known_ints(context, i);
    std::vector<Dim> result;
    for (int64_t value : values) result.push_back(value < 0 ? Dim() : Dim(value));
    return result;
  }
  return context.has_input(i) ? context.dims_value(i) : std::nullopt;
}

std::vector<int64_t> int_list(const EvalContext& context, size_t i) {
  return checked_ints(context.place(), i, context.in(i));
}

std::vector<int64_t> int_list(const EvalContext& context, size_t i, std::vector<int64_t> fallback) {
  return context.has(i) ? int_list(context, i) : std::move(fallback);
}

Shape unknown_sizes(int64_t rank) { return Shape(std::vector<Dim>(static_cast<size_t>(rank))); }

Dim product(const std::vector<Dim>& dims) {
  int64_t number = 1;
  const Dim* symbol = nullptr;
  bool vague = false;
  for (const Dim& dim : dims) {
    if (dim == Dim(0)) return 0;
    if (dim.known()) {
      if (__builtin_mul_overflow(number, dim.value, &number)) vague = true;
    } else if (symbol || dim.symbol.empty()) {
      vague = true;
    } else {
      symbol = &dim;
    }
  }
  if (vague) return {};
  if (!symbol) return number;
  return number == 1 ? *symbol : Dim();
}

Dim sum(const Dim& a, const Dim& b) {
  int64_t total = 0;
  if (a.known() && b.known()) return __builtin_add_overflow(a.value, b.value, &total) ? Dim() : Dim(total);
  if (a == Dim(0)) return b;
  return b == Dim(0) ? a : Dim();
}

std::optional<Dim> unify(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) return a.value == b.value ? std::optional(a) : std::nullopt;
  if (a.known()) return a;
  if (b.known()) return b;
  return a.symbol.empty() ? b : a;
}

void check_allocation(const std::string& place, DType dtype, const Dims& dims) {
  constexpr int64_t limit = int64_t{1} << 32;
  int64_t count = 0;
  try {
    count = element_count(dims);
  } catch (const Error& error) {
    throw Error(place, std::string("output ") + error.what());
  }
  int64_t bytes = static_cast<int64_t>(dtype == DType::string ? sizeof(std::string) : size_of(dtype));
  if (count > limit / std::max<int64_t>(bytes, 1))
    throw Error(place, fmt::format("output {}{} needs {:.1f} GiB, the limit is 4", name_of(dtype), to_string(dims),
                                   static_cast<double>(count) * static_cast<double>(bytes) / (1 << 30)),
                "check the sizes that the model computes");
}

}  // namespace hone::ops
