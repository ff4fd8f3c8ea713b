#include "graph/ops/nn/conv_transpose.hpp"

#include <algorithm>

#include "graph/graph.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec ConvTranspose::spec() const {
  return {.min_inputs = 2, .max_inputs = 3, .summary = "y = the gradient of conv(., w) at x, + b"};
}

void ConvTranspose::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("dilations", dilations);
  visitor.field("group", group);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("output_padding", output_padding);
  visitor.field("output_shape", output_shape);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
}

namespace {

template <class Context>
void check(Context& context, const ConvTranspose& op, const std::vector<Dim>& x, const std::vector<Dim>& w) {
  if (x.size() < 3 || x.size() > 5)
    context.fail(
        fmt::format("input has shape {}, expected [N, C, spatial...] with 1 to 3 spatial sizes", to_string(Shape(x))));
  if (w.size() != x.size())
    context.fail(fmt::format("weight has shape {}, expected rank {} as the input", to_string(Shape(w)), x.size()));
  if (op.group < 1 || op.group > (int64_t{1} << 30))
    context.fail(fmt::format("group is {}, expected at least 1", op.group));
  if (x[1].known() && w[0].known() && x[1] != w[0])
    context.fail(fmt::format("weight has {} input channels, the input has {}", w[0].value, x[1].value),
                 "pass --layout nhwc if the model is channels-last");
  if (w[0].known() && w[0].value % op.group != 0)
    context.fail(fmt::format("weight has {} input channels, which {} groups do not divide", w[0].value, op.group));
  if (w[1].known() && w[1].value > (int64_t{1} << 30)) context.fail("weight has too many output channels");
}

/// Output sizes, and in `pads_begin` what the output loses at the begin of each axis; unknown inputs give unknown
/// sizes.
template <class Context>
std::vector<Dim> output_sizes(Context& context, const std::string& place, const ConvTranspose& op,
                              const std::vector<Dim>& spatial, const Dims& kernel, Window& window) {
  size_t rank = spatial.size();
  bool same = op.auto_pad == "SAME_UPPER" || op.auto_pad == "SAME_LOWER";
  const std::string manual = "NOTSET";
  WindowAttributes attributes{same ? manual : op.auto_pad, op.kernel_shape, op.strides, op.dilations, op.pads};
  window = resolve_window(place, attributes, Dims(rank, -1), kernel);
  if (!op.output_padding.empty() && op.output_padding.size() != rank)
    context.fail(fmt::format("output_padding has {} entries, expected {}", op.output_padding.size(), rank));
  // Some exporters write batch and channels too.
  if (!op.output_shape.empty() && op.output_shape.size() != rank && op.output_shape.size() != rank + 2)
    context.fail(fmt::format("output_shape has {} entries, expected {}", op.output_shape.size(), rank));
  std::vector<Dim> result;
  for (size_t i = 0; i < rank; ++i) {
    int64_t extra = op.output_padding.empty() ? 0 : op.output_padding[i], stride = window.strides[i];
    if (extra < 0 || extra >= std::max(stride, window.dilations[i]))
      context.fail(fmt::format("output_padding is {}, expected 0 to {} (below stride or dilation)", extra,
                               std::max(stride, window.dilations[i]) - 1));
    if (!spatial[i].known()) {
      result.push_back(same && stride == 1 ? spatial[i] : Dim());
      if (!op.output_shape.empty()) result.back() = op.output_shape[op.output_shape.size() - rank + i];
      continue;
    }
    if (spatial[i].value > (int64_t{1} << 30)) context.fail("the input is too large");
    int64_t full = (spatial[i].value - 1) * stride + extra + window.extent(i), size;
    if (op.output_shape.empty() && !same) {
      size = full - window.pads_begin[i] - window.pads_end[i];
    } else {
      size = op.output_shape.empty() ? spatial[i].value * stride : op.output_shape[op.output_shape.size() - rank + i];
      int64_t total = std::max<int64_t>(0, full - size);
      window.pads_begin[i] = op.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      window.pads_end[i] = total - window.pads_begin[i];
    }
    if (size < 1)
      context.fail(fmt::format("pads {} and {} leave nothing of spatial axis {} (size {})", window.pads_begin[i],
                               window.pads_end[i], i, full));
    result.emplace_back(size);
  }
  return result;
}

/// Adds weight * x to y at the places that one kernel position reaches.
template <class T>
void add_scattered(const ConvGeometry& g, const std::array<int64_t, 3>& at, const T* x, T weight, T* y) {
  std::array<int64_t, 3> shift;
  std::array<Span, 3> span;
  for (size_t i = 0; i < 3; ++i) {
    shift[i] = at[i] * g.dilation[i] - g.pad[i];
    span[i] = valid_span(shift[i], g.stride[i], g.output[i], g.input[i]);
  }
  int64_t length = span[2].last - span[2].first, stride = g.stride[2];
  for (int64_t d = span[0].first; d < span[0].last; ++d)
    for (int64_t h = span[1].first; h < span[1].last; ++h) {
      int64_t row = (d * g.stride[0] + shift[0]) * g.output[1] + h * g.stride[1] + shift[1];
      const T* in = x + (d * g.input[1] + h) * g.input[2] + span[2].first;
      T* out = y + row * g.output[2] + span[2].first * stride + shift[2];
      for (int64_t i = 0; i < length; ++i) out[i * stride] += weight * in[i];
    }
}

template <class T>
void transposed_conv(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  int64_t plane = g.output_plane(), volume = g.kernel_volume(), channels = g.groups * g.out_channels;
  for (int64_t n = 0; n < g.batch; ++n)
    for (int64_t m = 0; m < channels; ++m) {
      T* out = y + (n * channels + m) * plane;
      std::fill(out, out + plane, bias ? bias[m] : T(0));
      int64_t group = m / g.out_channels;
      for (int64_t c = 0; c < g.in_channels; ++c) {
        int64_t channel = group * g.in_channels + c;
        const T* in = x + (n * g.groups * g.in_channels + channel) * g.input_plane();
        const T* weight = w + (channel * g.out_channels + m % g.out_channels) * volume;
        for (int64_t d = 0; d < g.kernel[0]; ++d)
          for (int64_t h = 0; h < g.kernel[1]; ++h)
            for (int64_t k = 0; k < g.kernel[2]; ++k) add_scattered(g, {d, h, k}, in, *weight++, out);
      }
    }
}

}  // namespace

void ConvTranspose::infer(InferContext& context) const {
  const Shape &x = context.shape(0), &w = context.shape(1);
  if (!x.ranked || !w.ranked)
    return context.set_output(0, context.dtype(0), x.ranked ? unknown_sizes(x.rank()) : Shape());
  check(context, *this, x.dims, w.dims);
  Dim channels = w[1].known() ? Dim(w[1].value * group) : Dim();
  check_vector(context, 2, "bias", channels);
  Shape result{x[0], channels};
  Dims kernel;
  for (size_t i = 2; i < w.dims.size(); ++i) kernel.push_back(w[i].value);
  if (std::any_of(kernel.begin(), kernel.end(), [](int64_t size) { return size < 0; })) kernel = kernel_shape;
  std::vector<Dim> spatial(x.dims.size() - 2);
  Window window;
  if (!kernel.empty())
    spatial = output_sizes(context, context.node.place(), *this, {x.dims.begin() + 2, x.dims.end()}, kernel, window);
  result.dims.insert(result.dims.end(), spatial.begin(), spatial.end());
  context.set_output(0, context.dtype(0), result);
}

void ConvTranspose::evaluate(EvalContext& context) const {
  DType dtype = context.in(0).dtype();
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0), w = input_as<T>(context, 1), b;
    check(context, *this, {x.dims().begin(), x.dims().end()}, {w.dims().begin(), w.dims().end()});
    if (context.has(2)) {
      check_vector(context, 2, "bias", w.dim(1) * group);
      b = input_as<T>(context, 2);
    }
    Window window;
    std::vector<Dim> sizes = output_sizes(context, context.place(), *this, {x.dims().begin() + 2, x.dims().end()},
                                          {w.dims().begin() + 2, w.dims().end()}, window);
    Dims dims{x.dim(0), w.dim(1) * group};
    for (const Dim& size : sizes) dims.push_back(size.value);
    check_allocation(context.place(), dtype, dims);
    ConvGeometry geometry;
    geometry.batch = x.dim(0);
    geometry.groups = group;
    geometry.in_channels = x.dim(1) / group;
    geometry.out_channels = w.dim(1);
    geometry.input = triple({x.dims().begin() + 2, x.dims().end()}, 1);
    geometry.output = triple({dims.begin() + 2, dims.end()}, 1);
    geometry.kernel = triple(window.kernel, 1);
    geometry.stride = triple(window.strides, 1);
    geometry.dilation = triple(window.dilations, 1);
    geometry.pad = triple(window.pads_begin, 0);
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      transposed_conv<T>(geometry, pointer<T>(x), pointer<T>(w), b.defined() ? pointer<T>(b) : nullptr, y);
    });
  });
}

HONE_DEFINE_OP(ConvTranspose)

}  // namespace hone::ops
