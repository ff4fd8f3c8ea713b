#include "graph/ops/activation/along_axis.hpp"

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

void infer_along_axis(InferContext& context, int64_t axis) {
  if (context.shape(0).ranked) front_axis(context, axis, context.shape(0).rank());
  infer_unary(context, Types::floats);
}

}  // namespace hone::ops
