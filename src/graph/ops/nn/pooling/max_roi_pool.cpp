#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// The largest element of each bin of regions (Fast R-CNN). Inputs: x [N, C, H, W], rois [regions, 5] as batch, x1, y1,
/// x2, y2 in pixels / spatial_scale, both corners inside. Output: [regions, C, pooled height, pooled width].
struct MaxRoiPool : OpOf<MaxRoiPool> {
  std::vector<int64_t> pooled_shape;
  float spatial_scale = 1;

  const char* type() const override { return "MaxRoiPool"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y = the largest element of each bin of regions of x"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("pooled_shape", pooled_shape);
    visitor.field("spatial_scale", spatial_scale);
  }

  void infer(InferContext& context) const override {
    const Shape &x = context.shape(0), &rois = context.shape(1);
    check(context, x, rois);
    context.set_output(0, context.dtype(0),
                       Shape{rois.ranked ? rois[0] : Dim(), x.ranked ? x[1] : Dim(), pooled_shape[0], pooled_shape[1]});
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &maps = context.in(0), &regions = context.in(1);
    check(context, Shape(maps.dims()), Shape(regions.dims()));
    Dims dims{regions.dim(0), maps.dim(1), pooled_shape[0], pooled_shape[1]};
    check_allocation(context.place(), maps.dtype(), dims);
    with_float(context, maps.dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0), rois = input_as<T>(context, 1);
      output_as<T>(context, 0, maps.dtype(), dims, [&](T* y) {
        int64_t region_size = dims[1] * dims[2] * dims[3];
        for (int64_t r = 0; r < dims[0]; ++r)
          pool_region(context, pointer<T>(x), maps.dims(), pointer<T>(rois) + r * 5, y + r * region_size);
      });
    });
  }

 private:
  template <class Context>
  void check(Context& context, const Shape& x, const Shape& rois) const {
    if (pooled_shape.size() != 2 || pooled_shape[0] < 1 || pooled_shape[1] < 1)
      context.fail("pooled_shape is " + to_string(Dims(pooled_shape)) + ", expected a height and a width");
    if (x.ranked && x.rank() != 4) context.fail("input has shape " + to_string(x) + ", expected [N, C, H, W]");
    if (rois.ranked && (rois.rank() != 2 || (rois[1].known() && rois[1] != Dim(5))))
      context.fail("rois have shape " + to_string(rois) + ", expected [regions, 5]");
  }

  struct Bins {
    int64_t start;
    double bin;
    int64_t size;
    /// Pixels [first, last) of bin i.
    int64_t first(int64_t i) const { return clip(std::floor(static_cast<double>(i) * bin)); }
    int64_t last(int64_t i) const { return clip(std::ceil(static_cast<double>(i + 1) * bin)); }
    int64_t clip(double at) const { return std::clamp<int64_t>(static_cast<int64_t>(at) + start, 0, size); }
  };
  Bins bins(const EvalContext& context, double begin, double end, int64_t size, int64_t count) const {
    auto scale = static_cast<double>(spatial_scale);
    if (!(std::abs(begin * scale) < 1e9 && std::abs(end * scale) < 1e9))
      context.fail(fmt::format("region from {} to {} is not sensible", begin, end));
    int64_t first = std::llround(begin * scale), last = std::llround(end * scale);
    return {first, static_cast<double>(std::max<int64_t>(last - first + 1, 1)) / static_cast<double>(count), size};
  }

  template <class T>
  void pool_region(const EvalContext& context, const T* x, const Dims& dims, const T* roi, T* y) const {
    auto n = static_cast<double>(roi[0]);
    if (!(n >= 0 && n < static_cast<double>(dims[0])))
      context.fail(fmt::format("batch index {} is outside {} samples", n, dims[0]));
    Bins across = bins(context, static_cast<double>(roi[1]), static_cast<double>(roi[3]), dims[3], pooled_shape[1]);
    Bins down = bins(context, static_cast<double>(roi[2]), static_cast<double>(roi[4]), dims[2], pooled_shape[0]);
    const T* plane = x + static_cast<int64_t>(n) * dims[1] * dims[2] * dims[3];
    for (int64_t c = 0; c < dims[1]; ++c, plane += dims[2] * dims[3])
      for (int64_t i = 0; i < pooled_shape[0]; ++i)
        for (int64_t j = 0; j < pooled_shape[1]; ++j) {
          T largest = -std::numeric_limits<T>::infinity();
          for (int64_t h = down.first(i); h < down.last(i); ++h)
            for (int64_t w = across.first(j); w < across.last(j); ++w)
              largest = std::max(largest, plane[h * dims[3] + w]);
          bool empty = down.first(i) >= down.last(i) || across.first(j) >= across.last(j);
          *y++ = empty ? T(0) : largest;
        }
  }
};

HONE_DEFINE_OP(MaxRoiPool)

}  // namespace hone::ops
