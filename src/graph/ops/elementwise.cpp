#include "graph/ops/elementwise.hpp"

#include "graph/graph.hpp"

namespace hone::ops {

void infer_same(InferContext& context) { context.set_output(0, context.dtype(0), context.shape(0)); }

namespace {
/// Broadcasts two shapes as far as they are known; false when they cannot go together.
bool merge(const Shape& a, const Shape& b, Shape& result) {
  if (!a.ranked || !b.ranked) {
    result = Shape();
    return true;
  }
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape merged = longer;
  size_t offset = longer.dims.size() - shorter.dims.size();
  for (size_t i = 0; i < shorter.dims.size(); ++i) {
    Dim& x = merged[offset + i];
    const Dim& y = shorter[i];
    if (x == y || y == Dim(1)) continue;
    if (x == Dim(1)) x = y;
    else if (x.known() && y.known()) return false;
    else if (x.known()) continue;            // a known size above 1 wins over an unknown one
    else if (y.known()) x = y;
    else x = Dim();
  }
  result = merged;
  return true;
}
}  // namespace

void infer_broadcast(InferContext& context, DType dtype) {
  Shape shape = context.shape(0);
  for (size_t i = 1; i < context.input_count(); ++i) {
    Shape merged;
    if (!merge(shape, context.shape(i), merged))
      context.fail("shapes " + to_string(shape) + " and " + to_string(context.shape(i)) + " of inputs 0 and " +
                   std::to_string(i) + " do not broadcast");
    shape = merged;
  }
  context.set_output(0, dtype == DType::undefined ? context.dtype(0) : dtype, std::move(shape));
}

void infer_unary(InferContext& context, Types types) {
  require_types(context, 0, types);
  infer_same(context);
}

void infer_binary(InferContext& context, Types types, DType dtype) {
  for (size_t i = 0; i < context.input_count(); ++i) {
    require_types(context, i, types);
    require_same_type(context, 0, i);
  }
  infer_broadcast(context, dtype);
}

Dims broadcast_dims(const EvalContext& context) {
  const Dims &a = context.in(0).dims(), &b = context.in(1).dims();
  auto dims = broadcast(a, b);
  if (!dims) context.fail("shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
  return *dims;
}

}  // namespace hone::ops
