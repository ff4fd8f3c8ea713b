#include <cmath>

#include <fmt/format.h>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {

/// The four pixels around a point and their weights; nothing when the point is outside.
struct Corners {
  int64_t index[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};
};

Corners corners_at(double y, double x, int64_t height, int64_t width) {
  Corners corners;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return corners;
  auto axis = [](double at, int64_t size, int64_t& low, int64_t& high) {
    at = std::max(at, 0.0);
    low = std::min(static_cast<int64_t>(at), size - 1);
    high = std::min(low + 1, size - 1);
    return low == size - 1 ? 0.0 : at - static_cast<double>(low);
  };
  int64_t top, bottom, left, right;
  double down = axis(y, height, top, bottom), across = axis(x, width, left, right);
  corners = {{top * width + left, top * width + right, bottom * width + left, bottom * width + right},
             {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across}};
  return corners;
}

/// Where one axis of a region lies in the feature map.
struct Extent {
  double start = 0, bin = 0;
  int64_t samples = 1;
};

}  // namespace

/// Pools regions of feature maps (Mask R-CNN). Inputs: x [N, C, H, W], rois [regions, 4] as x1, y1, x2, y2,
/// batch_indices [regions]. Output: [regions, C, output_height, output_width].
struct RoiAlign : OpOf<RoiAlign> {
  std::string coordinate_transformation_mode = "half_pixel";  ///< or output_half_pixel
  std::string mode = "avg";                                   ///< avg or max
  int64_t output_height = 1, output_width = 1;
  int64_t sampling_ratio = 0;  ///< samples an axis in each bin; 0: as many as pixels
  float spatial_scale = 1;

  const char* type() const override { return "RoiAlign"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .summary = "y = the regions of x, each pooled to one size"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("coordinate_transformation_mode", coordinate_transformation_mode);
    visitor.field("mode", mode);
    visitor.field("output_height", output_height);
    visitor.field("output_width", output_width);
    visitor.field("sampling_ratio", sampling_ratio);
    visitor.field("spatial_scale", spatial_scale);
  }

  void infer(InferContext& context) const override {
    check(context);
    const Shape &x = context.shape(0), &rois = context.shape(1);
    if (x.ranked && x.rank() != 4) context.fail("input has shape " + to_string(x) + ", expected [N, C, H, W]");
    Dim regions = rois.ranked && rois.rank() == 2 ? rois[0] : Dim();
    context.set_output(0, context.dtype(0), Shape{regions, x.ranked ? x[1] : Dim(), output_height, output_width});
  }

  void evaluate(EvalContext& context) const override {
    check(context);
    const Tensor &maps = context.in(0), &regions = context.in(1);
    int64_t count = regions.rank() == 2 ? regions.dim(0) : -1;
    if (maps.rank() != 4 || maps.size() == 0 || count < 0 || regions.dim(1) != 4)
      context.fail(fmt::format("input {} and rois {} do not fit, expected [N, C, H, W] and [regions, 4]",
                               to_string(maps.dims()), to_string(regions.dims())));
    std::vector<int64_t> batch = context.in(2).to_ints();
    if (static_cast<int64_t>(batch.size()) != count)
      context.fail(fmt::format("has {} batch indices for {} regions", batch.size(), count));
    Dims dims{count, maps.dim(1), output_height, output_width};
    check_allocation(context.place(), maps.dtype(), dims);
    with_float(context, maps.dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0), rois = input_as<T>(context, 1);
      int64_t map_size = maps.dim(1) * maps.dim(2) * maps.dim(3),
              region_size = maps.dim(1) * output_height * output_width;
      output_as<T>(context, 0, maps.dtype(), dims, [&](T* y) {
        for (int64_t r = 0; r < count; ++r) {
          int64_t n = batch[static_cast<size_t>(r)];
          if (n < 0 || n >= maps.dim(0))
            context.fail(fmt::format("batch index {} is outside {} samples", n, maps.dim(0)));
          pool_region(context, pointer<T>(x) + n * map_size, pointer<T>(rois) + r * 4, maps.dims(),
                      y + r * region_size);
        }
      });
    });
  }

 private:
  template <class Context>
  void check(Context& context) const {
    if (output_height < 1 || output_width < 1 || sampling_ratio < 0 || sampling_ratio > 1024)
      context.fail(fmt::format("output {}x{} with sampling_ratio {} is not sensible", output_height, output_width,
                               sampling_ratio));
    if (mode != "avg" && mode != "max") context.fail("mode is '" + mode + "', expected avg or max");
    if (coordinate_transformation_mode != "half_pixel" && coordinate_transformation_mode != "output_half_pixel")
      context.fail("coordinate_transformation_mode is '" + coordinate_transformation_mode +
                   "', expected half_pixel or output_half_pixel");
  }

  Extent extent(const EvalContext& context, double begin, double end, int64_t bins) const {
    bool half = coordinate_transformation_mode == "half_pixel";
    double scale = static_cast<double>(spatial_scale), start = begin * scale - (half ? 0.5 : 0);
    double size = end * scale - (half ? 0.5 : 0) - start;
    if (!half) size = std::max(size, 1.0);
    Extent result{start, size / static_cast<double>(bins), sampling_ratio};
    if (!(std::abs(result.bin) < 4096)) context.fail(fmt::format("region from {} to {} is not sensible", begin, end));
    if (sampling_ratio == 0) result.samples = static_cast<int64_t>(std::ceil(result.bin));
    return result;
  }

  template <class T>
  void pool_region(const EvalContext& context, const T* map, const T* roi, const Dims& dims, T* y) const {
    Extent across = extent(context, static_cast<double>(roi[0]), static_cast<double>(roi[2]), output_width);
    Extent down = extent(context, static_cast<double>(roi[1]), static_cast<double>(roi[3]), output_height);
    int64_t plane = dims[2] * dims[3], outputs = output_height * output_width;
    std::vector<Corners> points;
    for (int64_t i = 0; i < outputs; ++i) {
      points.clear();
      auto at = [](const Extent& axis, int64_t bin, int64_t sample) {
        return axis.start + static_cast<double>(bin) * axis.bin +
               (static_cast<double>(sample) + 0.5) * axis.bin / static_cast<double>(axis.samples);
      };
      for (int64_t v = 0; v < down.samples; ++v)
        for (int64_t u = 0; u < across.samples; ++u)
          points.push_back(
              corners_at(at(down, i / output_width, v), at(across, i % output_width, u), dims[2], dims[3]));
      for (int64_t c = 0; c < dims[1]; ++c) y[c * outputs + i] = static_cast<T>(pool_points(map + c * plane, points));
    }
  }

  /// The mean of the interpolated points, or the largest weighted pixel (as ONNX defines max).
  template <class T>
  double pool_points(const T* map, const std::vector<Corners>& points) const {
    double sum = 0, largest = points.empty() ? 0 : -HUGE_VAL;
    for (const Corners& point : points)
      for (int k = 0; k < 4; ++k) {
        double part = point.weight[k] * static_cast<double>(map[point.index[k]]);
        sum += part;
        largest = std::max(largest, part);
      }
    return mode == "max" ? largest : sum / static_cast<double>(std::max<size_t>(points.size(), 1));
  }
};

HONE_DEFINE_OP(RoiAlign)

}  // namespace hone::ops
