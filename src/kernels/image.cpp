#include "kernels/image.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/impl/image_job.hpp"
#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(ImageKernels, image)

static ImageJob job_of(const ImagePlan& plan) {
  const ImageSpec& s = plan.spec;
  auto view = [](const ResizeAxis& axis) { return AxisView{axis.taps, axis.index.data(), axis.weights.data()}; };
  ImageJob job{s.height, s.width, s.channels, s.out_height, s.out_width, s.out_channels};
  std::copy_n(s.source_channel, 4, job.source_channel);
  std::copy_n(s.scale, 4, job.scale);
  std::copy_n(s.shift, 4, job.shift);
  job.target = s.target;
  job.rows = view(plan.rows);
  job.columns = view(plan.columns);
  return job;
}

// A triangle of half-width 1 (input pixels), or in / out when antialiasing a smaller output; normalized before indices
// are held to the border, as ONNX's reference does.
ResizeAxis make_resize_axis(int64_t in, int64_t out, bool antialias) {
  const double ratio = static_cast<double>(in) / static_cast<double>(out);
  const double support = antialias ? std::max(1.0, ratio) : 1.0;
  std::vector<std::vector<std::pair<int32_t, double>>> filters(out);
  ResizeAxis axis;
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    double sum = 0;
    for (int64_t k = static_cast<int64_t>(std::floor(center - support)); static_cast<double>(k) < center + support;
         ++k) {
      const double weight = 1 - std::abs(static_cast<double>(k) - center) / support;
      if (weight <= 0) continue;
      filters[i].emplace_back(static_cast<int32_t>(std::clamp<int64_t>(k, 0, in - 1)), weight);
      sum += weight;
    }
    for (auto& [index, weight] : filters[i]) weight /= sum;
    axis.taps = std::max(axis.taps, static_cast<int>(filters[i].size()));
  }
  for (auto& filter : filters) {
    filter.resize(axis.taps, {filter.back().first, 0.0});
    for (const auto& [index, weight] : filter) {
      axis.index.push_back(index);
      axis.weights.push_back(static_cast<float>(weight));
    }
  }
  return axis;
}

ImagePlan::ImagePlan(const ImageSpec& given) : spec(given) {
  resize = spec.height != spec.out_height || spec.width != spec.out_width;
  if (!resize) return;
  rows = make_resize_axis(spec.height, spec.out_height, spec.antialias);
  columns = make_resize_axis(spec.width, spec.out_width, spec.antialias);
  scratch_floats = static_cast<size_t>(spec.width * spec.channels + 4);  // pixels are read as four floats
}

void ImagePlan::run(const uint8_t* x, int64_t row_bytes, void* y, float* scratch, int64_t begin, int64_t end,
                    Isa isa) const {
  if (row_bytes == 0) row_bytes = spec.width * spec.channels;
  const ImageKernels& kernels = pick_image(isa);
  const ImageJob job = job_of(*this);
  if (resize)
    kernels.resize(job, x, row_bytes, y, scratch, begin, end);
  else
    kernels.affine(job, x, row_bytes, y, begin, end);
}

}  // namespace hone::kernels
