#include "graph/ops/nn/depth_to_space.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec DepthToSpace::spec() const {
  return {.traits = 0u | Trait::scale_preserving, .summary = "y = blocks of channels of x moved to height and width"};
}

void DepthToSpace::attributes(AttributeVisitor& visitor) {
  visitor.field("blocksize", blocksize);
  visitor.field("mode", mode);
}

namespace {
template <class Context>
void check(Context& context, const DepthToSpace& op, const Shape& x) {
  int64_t b = op.blocksize;
  if (b < 1 || b > (1 << 15)) context.fail(fmt::format("blocksize is {}, expected at least 1", b));
  if (op.mode != "DCR" && op.mode != "CRD") context.fail("mode is '" + op.mode + "', expected DCR or CRD");
  if (!x.ranked) return;
  if (x.rank() != 4) context.fail("input has shape " + to_string(x) + ", expected [N, C, H, W]");
  if (x[1].known() && x[1].value % (b * b) != 0)
    context.fail(fmt::format("{} channels are not a multiple of blocksize squared ({})", x[1].value, b * b));
}
}  // namespace

void DepthToSpace::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  check(context, *this, x);
  if (!x.ranked) return context.set_output(0, context.dtype(0), unknown_sizes(4));
  Dim channels = x[1].known() ? Dim(x[1].value / (blocksize * blocksize)) : Dim();
  context.set_output(0, context.dtype(0),
                     Shape{x[0], channels, product({x[2], Dim(blocksize)}), product({x[3], Dim(blocksize)})});
}

void DepthToSpace::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  check(context, *this, Shape(x.dims()));
  int64_t b = blocksize, n = x.dim(0), c = x.dim(1) / (b * b), h = x.dim(2), w = x.dim(3), plane = h * w;
  // x is [n, b, b, c, h, w] (DCR) or [n, c, b, b, h, w] (CRD), y is [n, c, h, b, w, b].
  bool deep = mode == "DCR";
  int64_t channel = deep ? plane : b * b * plane, block = deep ? c * plane : plane;
  move_elements(context, 0, x, {n, c, h * b, w * b}, [&](const auto* in, auto* out) {
    strided_copy(in, out, {n, c, h, b, w, b}, {c * b * b * plane, channel, w, b * block, 1, block});
  });
}

HONE_DEFINE_OP(DepthToSpace)

}  // namespace hone::ops
