#include "graph/ops/nn/matrix.hpp"

#include "graph/graph.hpp"

namespace hone::ops {

MatMulSizes matmul_sizes(const EvalContext& context, const Dims& a, const Dims& b) {
  if (a.empty() || b.empty()) context.fail("an operand is a scalar, expected at least one axis", "use Mul");
  MatMulSizes sizes;
  Dims left = a, right = b;
  if (a.size() == 1) left.insert(left.begin(), 1);
  if (b.size() == 1) right.push_back(1);
  sizes.m = left[left.size() - 2];
  sizes.k = left.back();
  sizes.n = right.back();
  if (right[right.size() - 2] != sizes.k)
    context.fail(fmt::format("cannot multiply {} by {}: {} columns meet {} rows", to_string(a), to_string(b), sizes.k,
                             right[right.size() - 2]));
  sizes.batch_a.assign(left.begin(), left.end() - 2);
  sizes.batch_b.assign(right.begin(), right.end() - 2);
  auto batch = broadcast(sizes.batch_a, sizes.batch_b);
  if (!batch)
    context.fail(
        fmt::format("batch sizes {} and {} do not broadcast", to_string(sizes.batch_a), to_string(sizes.batch_b)));
  sizes.batch = sizes.result = *batch;
  if (a.size() > 1) sizes.result.push_back(sizes.m);
  if (b.size() > 1) sizes.result.push_back(sizes.n);
  return sizes;
}

void infer_matmul(InferContext& context, size_t a_index, size_t b_index, DType dtype) {
  const Shape &a = context.shape(a_index), &b = context.shape(b_index);
  if (!a.ranked || !b.ranked) return context.set_output(0, dtype, Shape());
  if (a.rank() == 0 || b.rank() == 0) context.fail("an operand is a scalar, expected at least one axis", "use Mul");
  std::vector<Dim> left = a.dims, right = b.dims;
  if (left.size() == 1) left.insert(left.begin(), Dim(1));
  if (right.size() == 1) right.emplace_back(1);
  const Dim &columns = left.back(), &rows = right[right.size() - 2];
  if (columns.known() && rows.known() && columns != rows)
    context.fail(fmt::format("cannot multiply {} by {}: {} columns meet {} rows", to_string(a), to_string(b),
                             columns.value, rows.value));
  Shape result(std::vector<Dim>(std::max(left.size(), right.size()) - 2));
  for (size_t i = 0; i < result.dims.size(); ++i) {
    auto from_end = [&](const std::vector<Dim>& dims) {
      return i + 2 < dims.size() ? dims[dims.size() - 3 - i] : Dim(1);
    };
    Dim x = from_end(left), y = from_end(right), &size = result[result.dims.size() - 1 - i];
    if (x.known() && y.known() && x != y && x != Dim(1) && y != Dim(1))
      context.fail(fmt::format("batch sizes of {} and {} do not broadcast", to_string(a), to_string(b)));
    if (x == y || y == Dim(1)) size = x;
    else if (x == Dim(1) || y.known()) size = y;
    else if (x.known()) size = x;
  }
  if (a.rank() > 1) result.dims.push_back(left[left.size() - 2]);
  if (b.rank() > 1) result.dims.push_back(right.back());
  context.set_output(0, dtype, result);
}

}  // namespace hone::ops
