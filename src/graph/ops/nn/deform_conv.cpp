#include "graph/ops/nn/deform_conv.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "graph/graph.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/nn/multiply.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {

WindowAttributes window(const DeformConv& op) {
  static const std::string manual = "NOTSET";
  return {manual, op.kernel_shape, op.strides, op.dilations, op.pads};
}

template <class Context>
void check_offset_group(Context& context, int64_t offset_group) {
  if (offset_group < 1) context.fail(fmt::format("offset_group is {}, expected at least 1", offset_group));
}

/// The evaluation of one op.
struct Work {
  const DeformConv& op;

  /// conv_geometry sees a pointwise kernel as one long row; here places matter.
  static void unflatten(ConvGeometry& geometry, const Dims& x, const Dims& y) {
    geometry.input = triple({x.begin() + 2, x.end()}, 1);
    geometry.output = triple({y.begin() + 2, y.end()}, 1);
  }

  void check_shapes(const EvalContext& context, const ConvGeometry& geometry, const Dims& x, const Dims& y) const {
    if (x[1] % op.offset_group != 0)
      context.fail(fmt::format("offset_group is {}, which does not divide {} channels", op.offset_group, x[1]));
    auto axes = static_cast<int64_t>(x.size()) - 2;
    auto expect = [&](size_t input, const char* what, int64_t channels) {
      Dims wanted = y;
      wanted[1] = channels;
      if (context.in(input).dims() != wanted)
        context.fail(
            fmt::format("{} has shape {}, expected {}", what, to_string(context.in(input).dims()), to_string(wanted)));
    };
    expect(2, "offset", op.offset_group * geometry.kernel_volume() * axes);
    if (context.has(4)) expect(4, "mask", op.offset_group * geometry.kernel_volume());
  }

  /// The up to eight pixels around a place and their weights.
  struct Corners {
    int count = 0;
    std::array<int64_t, 8> index{};
    std::array<double, 8> weight{};
  };
  static Corners corners_at(const ConvGeometry& g, size_t axes, const std::array<double, 3>& place) {
    std::array<int64_t, 3> low{};
    std::array<double, 3> ratio{};
    Corners corners;
    for (size_t i = 3 - axes; i < 3; ++i) {
      if (!(place[i] > -1 && place[i] < static_cast<double>(g.input[i]))) return corners;
      low[i] = static_cast<int64_t>(std::floor(place[i]));
      ratio[i] = place[i] - static_cast<double>(low[i]);
    }
    for (unsigned bits = 0; bits < (1u << axes); ++bits) {
      double weight = 1;
      int64_t at = 0;
      bool inside = true;
      for (size_t i = 0; i < 3; ++i) {
        bool high = i >= 3 - axes && (bits >> (i - (3 - axes)) & 1);
        int64_t where = low[i] + high;
        if (i >= 3 - axes) weight *= high ? ratio[i] : 1 - ratio[i];
        inside = inside && where >= 0 && where < g.input[i];
        at = at * g.input[i] + where;
      }
      if (!inside || weight == 0) continue;
      corners.index[static_cast<size_t>(corners.count)] = at;
      corners.weight[static_cast<size_t>(corners.count++)] = weight;
    }
    return corners;
  }

  /// Column `k` (a kernel element) of all channels of offset group `og`: columns [C, kernel, plane].
  template <class T>
  void gather(const ConvGeometry& g, size_t axes, int64_t og, int64_t k, const T* x, const T* offset, const T* mask,
              T* columns) const {
    int64_t plane = g.output_plane(), volume = g.kernel_volume(), channels = g.groups * g.in_channels / op.offset_group;
    std::array<int64_t, 3> kernel{k / (g.kernel[1] * g.kernel[2]), k / g.kernel[2] % g.kernel[1], k % g.kernel[2]};
    const T* shifts = offset + (og * volume + k) * static_cast<int64_t>(axes) * plane;
    for (int64_t p = 0; p < plane; ++p) {
      std::array<int64_t, 3> at{p / (g.output[1] * g.output[2]), p / g.output[2] % g.output[1], p % g.output[2]};
      std::array<double, 3> place{};
      for (size_t i = 3 - axes; i < 3; ++i)
        place[i] = static_cast<double>(at[i] * g.stride[i] - g.pad[i] + kernel[i] * g.dilation[i]) +
                   static_cast<double>(shifts[static_cast<int64_t>(i - (3 - axes)) * plane + p]);
      Corners corners = corners_at(g, axes, place);
      double factor = mask ? static_cast<double>(mask[(og * volume + k) * plane + p]) : 1;
      for (int64_t c = og * channels; c < (og + 1) * channels; ++c) {
        double sum = 0;
        for (size_t i = 0; i < static_cast<size_t>(corners.count); ++i)
          sum += corners.weight[i] * static_cast<double>(x[c * g.input_plane() + corners.index[i]]);
        columns[(c * volume + k) * plane + p] = static_cast<T>(sum * factor);
      }
    }
  }

  template <class T>
  void convolve(const ConvGeometry& g, size_t axes, const T* x, const T* w, const T* offset, const T* b, const T* mask,
                T* y) const {
    int64_t plane = g.output_plane(), volume = g.kernel_volume(), depth = g.in_channels * volume;
    int64_t channels = g.groups * g.in_channels, outputs = g.groups * g.out_channels;
    std::vector<T> columns(static_cast<size_t>(channels * volume * plane));
    for (int64_t n = 0; n < g.batch; ++n) {
      const T* shifts = offset + n * op.offset_group * volume * static_cast<int64_t>(axes) * plane;
      const T* factors = mask ? mask + n * op.offset_group * volume * plane : nullptr;
      for (int64_t og = 0; og < op.offset_group; ++og)
        for (int64_t k = 0; k < volume; ++k)
          gather(g, axes, og, k, x + n * channels * g.input_plane(), shifts, factors, columns.data());
      T* out = y + n * outputs * plane;
      for (int64_t m = 0; m < outputs; ++m) std::fill(out + m * plane, out + (m + 1) * plane, b ? b[m] : T(0));
      for (int64_t i = 0; i < g.groups; ++i)
        multiply_add(w + i * g.out_channels * depth, columns.data() + i * depth * plane,
                     out + i * g.out_channels * plane, g.out_channels, depth, plane, plane);
    }
  }
};

}  // namespace

OpSpec DeformConv::spec() const {
  return {.min_inputs = 3, .max_inputs = 5, .summary = "y = conv of x at places moved by offset, with w, + b"};
}
void DeformConv::attributes(AttributeVisitor& visitor) {
  visitor.field("dilations", dilations);
  visitor.field("group", group);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("offset_group", offset_group);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
}

void DeformConv::infer(InferContext& context) const {
  check_offset_group(context, offset_group);
  infer_conv(context, window(*this), group, 0, 1, 3, context.dtype(0));
}

void DeformConv::evaluate(EvalContext& context) const {
  check_offset_group(context, offset_group);
  DType dtype = context.in(0).dtype();
  const Work work{*this};
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0), w = input_as<T>(context, 1), offset = input_as<T>(context, 2), b, mask;
    Dims dims;
    ConvGeometry geometry = conv_geometry(context, window(*this), group, x.dims(), w.dims(), dims);
    work.unflatten(geometry, x.dims(), dims);
    work.check_shapes(context, geometry, x.dims(), dims);
    if (context.has(3)) {
      check_vector(context, 3, "bias", w.dim(0));
      b = input_as<T>(context, 3);
    }
    if (context.has(4)) mask = input_as<T>(context, 4);
    check_allocation(context.place(), DType::f64,
                     {geometry.in_channels, geometry.kernel_volume(), geometry.output_plane()});
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      work.convolve<T>(geometry, x.dims().size() - 2, pointer<T>(x), pointer<T>(w), pointer<T>(offset),
                  b.defined() ? pointer<T>(b) : nullptr, mask.defined() ? pointer<T>(mask) : nullptr, y);
    });
  });
}

HONE_DEFINE_OP(DeformConv)

}  // namespace hone::ops
