#include "graph/ops/nn/space_to_depth.hpp"

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec SpaceToDepth::spec() const {
  return {.traits = 0u | Trait::scale_preserving, .summary = "y = blocks of pixels of x moved to the channels"};
}

void SpaceToDepth::attributes(AttributeVisitor& visitor) { visitor.field("blocksize", blocksize); }

namespace {
template <class Context>
void check(Context& context, int64_t b, const Shape& x) {
  if (b < 1 || b > (1 << 15)) context.fail(fmt::format("blocksize is {}, expected at least 1", b));
  if (!x.ranked) return;
  if (x.rank() != 4) context.fail("input has shape " + to_string(x) + ", expected [N, C, H, W]");
  for (size_t i : {size_t{2}, size_t{3}})
    if (x[i].known() && x[i].value % b != 0)
      context.fail(fmt::format("size {} of axis {} is not a multiple of blocksize {}", x[i].value, i, b));
}
}  // namespace

void SpaceToDepth::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  check(context, blocksize, x);
  if (!x.ranked) return context.set_output(0, context.dtype(0), unknown_sizes(4));
  auto divided = [&](const Dim& size) { return size.known() ? Dim(size.value / blocksize) : Dim(); };
  context.set_output(0, context.dtype(0),
                     Shape{x[0], product({x[1], Dim(blocksize * blocksize)}), divided(x[2]), divided(x[3])});
}

void SpaceToDepth::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  check(context, blocksize, Shape(x.dims()));
  int64_t b = blocksize, n = x.dim(0), c = x.dim(1), width = x.dim(3), plane = x.dim(2) * width;
  int64_t h = x.dim(2) / b, w = width / b;
  // x is [n, c, h, b, w, b], y is [n, b, b, c, h, w].
  move_elements(context, 0, x, {n, b * b * c, h, w}, [&](const auto* in, auto* out) {
    strided_copy(in, out, {n, b, b, c, h, w}, {c * plane, width, 1, plane, b * width, b});
  });
}

HONE_DEFINE_OP(SpaceToDepth)

}  // namespace hone::ops
