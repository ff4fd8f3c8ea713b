#include "graph/ops/nn/pooling/pool.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "graph/graph.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {

template <class Context>
void check_rank(Context& context, const Shape& x) {
  if (x.rank() < 3 || x.rank() > 5)
    context.fail(
        fmt::format("input has shape {}, expected [N, C, spatial...] with 1 to 3 spatial sizes", to_string(x)));
}

std::vector<PoolSpan> axis_spans(const Window& window, size_t axis, int64_t input, int64_t output) {
  std::vector<PoolSpan> spans;
  int64_t dilation = window.dilations[axis];
  for (int64_t o = 0; o < output; ++o) {
    PoolSpan span;
    span.start = o * window.strides[axis] - window.pads_begin[axis];
    Span inside = valid_span(span.start, dilation, input, window.kernel[axis]);
    span.first = inside.first;
    span.last = inside.last;
    // With ceil_mode a window may reach past the padding; what is there counts for nothing.
    span.counted = valid_span(span.start + window.pads_begin[axis], dilation,
                              input + window.pads_begin[axis] + window.pads_end[axis], window.kernel[axis]).last;
    spans.push_back(span);
  }
  return spans;
}

}  // namespace

PoolGeometry pool_geometry(const EvalContext& context, const WindowAttributes& attributes, const Dims& x) {
  check_rank(context, Shape(x));
  Dims spatial(x.begin() + 2, x.end());
  Window window = resolve_window(context.place(), attributes, spatial);
  std::vector<Dim> sizes = output_spatial(context.place(), attributes, Shape(x));
  PoolGeometry geometry;
  geometry.planes = x[0] * x[1];
  geometry.input = triple(spatial, 1);
  geometry.dilation = triple(window.dilations, 1);
  geometry.result = {x[0], x[1]};
  for (const Dim& size : sizes) geometry.result.push_back(size.value);
  check_allocation(context.place(), DType::i64, geometry.result);
  if (element_count(geometry.result) == 0) return geometry;
  size_t missing = 3 - spatial.size();
  for (size_t axis = 0; axis < 3; ++axis)
    geometry.spans[axis] = axis < missing ? std::vector<PoolSpan>{{0, 0, 1, 1}}
                                          : axis_spans(window, axis - missing, spatial[axis - missing],
                                                       sizes[axis - missing].value);
  return geometry;
}

void infer_pool(InferContext& context, const WindowAttributes& attributes) {
  const Shape& x = context.shape(0);
  Shape result;
  if (x.ranked) {
    check_rank(context, x);
    result = Shape{x[0], x[1]};
    std::vector<Dim> spatial = output_spatial(context.node.place(), attributes, x);
    result.dims.insert(result.dims.end(), spatial.begin(), spatial.end());
  }
  context.set_output(0, context.dtype(0), result);
  context.set_output(1, DType::i64, result);
}

}  // namespace hone::ops
