#include "graph/ops/nn/conv_shared.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "graph/graph.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/multiply.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {

constexpr const char* layout_remedy = "pass --layout nhwc if the model is channels-last";

/// Fails unless ranks, groups and channels fit; sizes below 0 are not known.
template <class Context>
void check_conv(Context& context, int64_t group, const std::vector<Dim>& x, const std::vector<Dim>& w,
                const std::string& input_name) {
  if (x.size() < 3 || x.size() > 5)
    context.fail(fmt::format("{} has shape {}, expected [N, C, spatial...] with 1 to 3 spatial sizes", input_name,
                             to_string(Shape(x))));
  if (w.size() != x.size())
    context.fail(fmt::format("weight has shape {}, expected rank {} as {}", to_string(Shape(w)), x.size(), input_name));
  if (group < 1 || group > (int64_t{1} << 30)) context.fail(fmt::format("group is {}, expected at least 1", group));
  if (w[0].known() && w[0].value % group != 0)
    context.fail(fmt::format("weight has {} output channels, which {} groups do not divide", w[0].value, group));
  if (x[1].known() && x[1].value % group != 0)
    context.fail(fmt::format("{} has {} channels, which {} groups do not divide", input_name, x[1].value, group),
                 layout_remedy);
  if (x[1].known() && w[1].known() && x[1].value != w[1].value * group)
    context.fail(fmt::format("weight has {} input channels, {} has {}", w[1].value * group, input_name, x[1].value),
                 layout_remedy);
}

}  // namespace

void infer_conv(InferContext& context, const WindowAttributes& attributes, int64_t group, size_t x_index,
                size_t w_index, size_t bias_index, DType dtype) {
  const Shape &x = context.shape(x_index), &w = context.shape(w_index);
  if (!x.ranked || !w.ranked) return context.set_output(0, dtype, x.ranked ? unknown_sizes(x.rank()) : Shape());
  check_conv(context, group, x.dims, w.dims, "input '" + context.node.input(x_index)->name + "'");
  check_vector(context, bias_index, "bias", w[0]);
  Shape result{x[0], w[0]};
  Dims kernel;
  for (size_t i = 2; i < w.dims.size(); ++i) kernel.push_back(w[i].value);
  bool kernel_known = std::all_of(kernel.begin(), kernel.end(), [](int64_t size) { return size >= 0; });
  std::vector<Dim> spatial(x.dims.size() - 2);
  if (kernel_known) spatial = output_spatial(context.node.place(), attributes, x, kernel);
  else if (!attributes.kernel_shape.empty()) spatial = output_spatial(context.node.place(), attributes, x);
  result.dims.insert(result.dims.end(), spatial.begin(), spatial.end());
  context.set_output(0, dtype, result);
}

std::array<int64_t, 3> triple(const Dims& spatial, int64_t fill) {
  std::array<int64_t, 3> result{fill, fill, fill};
  std::copy(spatial.begin(), spatial.end(), result.end() - static_cast<int64_t>(spatial.size()));
  return result;
}

ConvGeometry conv_geometry(const EvalContext& context, const WindowAttributes& attributes, int64_t group, const Dims& x,
                           const Dims& w, Dims& dims) {
  check_conv(context, group, {x.begin(), x.end()}, {w.begin(), w.end()}, "input 0");
  Dims spatial(x.begin() + 2, x.end()), kernel(w.begin() + 2, w.end());
  Window window = resolve_window(context.place(), attributes, spatial, kernel);
  std::vector<Dim> sizes = output_spatial(context.place(), attributes, Shape(x), kernel);
  dims = {x[0], w[0]};
  for (const Dim& size : sizes) dims.push_back(size.value);
  ConvGeometry geometry;
  geometry.batch = x[0];
  geometry.groups = group;
  geometry.in_channels = x[1] / group;
  geometry.out_channels = w[0] / group;
  geometry.input = triple(spatial, 1);
  geometry.output = triple({dims.begin() + 2, dims.end()}, 1);
  geometry.kernel = triple(window.kernel, 1);
  geometry.stride = triple(window.strides, 1);
  geometry.dilation = triple(window.dilations, 1);
  geometry.pad = triple(window.pads_begin, 0);
  // Without a neighborhood the plane is one long row.
  if (window.pointwise()) geometry.input = geometry.output = {1, 1, geometry.input_plane()};
  return geometry;
}

Span valid_span(int64_t shift, int64_t stride, int64_t size, int64_t count) {
  int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
  int64_t last = shift < size ? (size - 1 - shift) / stride + 1 : 0;
  last = std::min(last, count);
  return {std::min(first, last), last};
}

namespace {

/// A part of an output plane: rows [first, last), columns [begin, end).
struct Block {
  int64_t first, last, begin, end;
  int64_t pixels() const { return (last - first) * (end - begin); }
};

/// The input that a block sees through one kernel position, zero in the padding; returns the end of what it wrote.
template <class T>
T* unfold(const ConvGeometry& g, const Block& block, const std::array<int64_t, 3>& at, const T* x, T* column) {
  std::array<int64_t, 3> shift;
  for (size_t i = 0; i < 3; ++i) shift[i] = at[i] * g.dilation[i] - g.pad[i];
  Span span = valid_span(shift[2] + block.begin * g.stride[2], g.stride[2], g.input[2], block.end - block.begin);
  for (int64_t row = block.first; row < block.last; ++row, column += block.end - block.begin) {
    int64_t d = row / g.output[1] * g.stride[0] + shift[0], h = row % g.output[1] * g.stride[1] + shift[1];
    bool inside = d >= 0 && d < g.input[0] && h >= 0 && h < g.input[1];
    Span filled = inside ? span : Span{0, 0};
    std::fill(column, column + filled.first, T(0));
    int64_t start = (d * g.input[1] + h) * g.input[2] + shift[2] + block.begin * g.stride[2];
    for (int64_t i = filled.first; i < filled.last; ++i) column[i] = x[start + i * g.stride[2]];
    std::fill(column + filled.last, column + block.end - block.begin, T(0));
  }
  return column;
}

/// As unfold, for all channels of a group and all kernel positions: [channels * kernel, pixels].
template <class T>
void unfold_group(const ConvGeometry& g, const Block& block, const T* x, T* columns) {
  for (int64_t c = 0; c < g.in_channels; ++c, x += g.input_plane())
    for (int64_t d = 0; d < g.kernel[0]; ++d)
      for (int64_t h = 0; h < g.kernel[1]; ++h)
        for (int64_t k = 0; k < g.kernel[2]; ++k) columns = unfold(g, block, {d, h, k}, x, columns);
}

/// Output blocks whose unfolded input stays in the cache: some whole rows, or a part of a long row.
std::vector<Block> blocks_of(const ConvGeometry& g, int64_t depth) {
  constexpr int64_t cached = 1 << 17;  // elements
  int64_t rows = g.output[0] * g.output[1], pixels = std::max<int64_t>(cached / std::max<int64_t>(depth, 1), 32);
  int64_t width = std::min(g.output[2], pixels), step = std::max<int64_t>(pixels / std::max<int64_t>(width, 1), 1);
  if (width < g.output[2]) step = 1;
  std::vector<Block> blocks;
  for (int64_t first = 0; first < rows; first += step)
    for (int64_t begin = 0; begin < g.output[2]; begin += width)
      blocks.push_back({first, std::min(first + step, rows), begin, std::min(begin + width, g.output[2])});
  return blocks;
}

}  // namespace

template <class T>
void unfolded_conv(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  int64_t plane = g.output_plane(), depth = g.in_channels * g.kernel_volume();
  std::vector<Block> blocks = blocks_of(g, depth);
  std::vector<T> columns;
  for (int64_t n = 0; n < g.batch; ++n)
    for (int64_t group = 0; group < g.groups; ++group) {
      int64_t channel = group * g.out_channels;
      T* out = y + (n * g.groups * g.out_channels + channel) * plane;
      const T* in = x + (n * g.groups + group) * g.in_channels * g.input_plane();
      for (int64_t m = 0; m < g.out_channels; ++m)
        std::fill(out + m * plane, out + (m + 1) * plane, bias ? bias[channel + m] : T(0));
      for (const Block& block : blocks) {
        columns.resize(static_cast<size_t>(depth * block.pixels()));
        unfold_group(g, block, in, columns.data());
        multiply_add(w + channel * depth, columns.data(), out + block.first * g.output[2] + block.begin, g.out_channels,
                     depth, block.pixels(), plane);
      }
    }
}

template void unfolded_conv(const ConvGeometry&, const float*, const float*, const float*, float*);
template void unfolded_conv(const ConvGeometry&, const double*, const double*, const double*, double*);
template void unfolded_conv(const ConvGeometry&, const uint32_t*, const uint32_t*, const uint32_t*, uint32_t*);

}  // namespace hone::ops
