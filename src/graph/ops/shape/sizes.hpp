#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/op.hpp"

/// What ops that compute with sizes and axes share.
namespace hone::ops {

/// "axis is 4, expected -3 to 2 for rank 3".
std::string axis_problem(const char* what, int64_t axis, int64_t rank);

/// `axis` counted from the front; fails naming `what` when it is outside [-rank, rank).
template <class Context>
size_t front_axis(Context& context, int64_t axis, int64_t rank, const char* what = "axis") {
  if (axis < -rank || axis >= rank) context.fail(axis_problem(what, axis, rank));
  return static_cast<size_t>(axis < 0 ? axis + rank : axis);
}

/// Each of `axes` counted from the front; fails when one is out of range or given twice.
template <class Context>
std::vector<size_t> front_axes(Context& context, const std::vector<int64_t>& axes, int64_t rank) {
  std::vector<size_t> result;
  std::vector<bool> seen(static_cast<size_t>(rank));
  for (int64_t axis : axes) {
    size_t front = front_axis(context, axis, rank);
    if (seen[front]) context.fail("axis " + std::to_string(axis) + " is given twice");
    seen[front] = true;
    result.push_back(front);
  }
  return result;
}

/// The integers of input i where all are known before running; nullopt when not, or when the input is absent.
std::optional<std::vector<int64_t>> known_ints(const InferContext& context, size_t i);
/// As known_ints, with symbols; a negative integer and an unknown one are both Dim().
std::optional<std::vector<Dim>> known_dims(const InferContext& context, size_t i);
/// The integers of input i (rank 0 or 1).
std::vector<int64_t> int_list(const EvalContext& context, size_t i);
/// As int_list; `fallback` when the input is absent.
std::vector<int64_t> int_list(const EvalContext& context, size_t i, std::vector<int64_t> fallback);

Shape unknown_sizes(int64_t rank);  ///< [?, ?, ...]
/// The product where it can be written as one Dim, else unknown.
Dim product(const std::vector<Dim>& dims);
/// The sum where it can be written as one Dim, else unknown.
Dim sum(const Dim& a, const Dim& b);
/// What is known when both describe one size; nullopt when they contradict each other.
std::optional<Dim> unify(const Dim& a, const Dim& b);

/// Throws Error(place, ...) when such a tensor is beyond what any sensible model needs (4 GiB). Ops whose output size
/// comes from attribute or input values call it before they allocate.
void check_allocation(const std::string& place, DType dtype, const Dims& dims);

}  // namespace hone::ops
