#include "graph/ops/nn/deform_conv.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/window.hpp"
#include "kernels/matmul.hpp"
#include "kernels/sample.hpp"

/// DeformConv of f32 images: the inputs of a stretch of output pixels, sampled, as a matrix that the weights multiply.
namespace hone::cpu {

namespace {

constexpr int64_t kPixels = 256;  ///< of a stretch

class NativeDeformConv : public Kernel {
 public:
  NativeDeformConv(const Node& node, const ops::DeformConv& op, int threads)
      : x_(dims_of(node.input(0))), y_(dims_of(node.output())), groups_(op.group), offset_groups_(op.offset_group),
        bias_(node.input(3)), mask_(node.input(4)), threads_(threads) {
    Dims w = dims_of(node.input(1));
    static const std::string manual = "NOTSET";
    window_ = ops::resolve_window(node.place(), {manual, op.kernel_shape, op.strides, op.dilations, op.pads},
                                  {x_[2], x_[3]}, {w[2], w[3]});
    taps_ = w[2] * w[3];
    pixels_ = y_[2] * y_[3];
    shape_ = {y_[1] / groups_, x_[1] / groups_ * taps_, kPixels, x_[1] / groups_ * taps_, pixels_};
    packed_ = round_up(static_cast<int64_t>(kernels::matmul_kernels().packed_floats(shape_.depth, kPixels)));
    floats_ = packed_ + x_[1] * taps_ * kPixels + 8 * kPixels;
  }
  std::string name() const override { return "hone deform conv"; }
  size_t scratch_bytes() const override { return static_cast<size_t>(floats_ * threads_) * sizeof(float); }

  void run(const KernelRun& run) const override {
    int64_t stretches = (pixels_ + kPixels - 1) / kPixels;
    run.pool.parallel_for(x_[0] * stretches, [&](int64_t task, int thread) {
      float* scratch = reinterpret_cast<float*>(run.scratch) + thread * floats_;
      stretch(run, task / stretches, task % stretches * kPixels, scratch);
    });
  }

 private:
  static int64_t round_up(int64_t floats) { return (floats + 15) / 16 * 16; }

  void stretch(const KernelRun& run, int64_t n, int64_t first, float* scratch) const {
    int64_t count = std::min(kPixels, pixels_ - first), plane = x_[2] * x_[3], channels = x_[1] / offset_groups_;
    float *packed = scratch, *columns = packed + packed_, *weight = columns + x_[1] * taps_ * kPixels;
    auto* index = reinterpret_cast<int32_t*>(weight + 4 * kPixels);
    for (int64_t g = 0; g < offset_groups_; ++g)
      for (int64_t k = 0; k < taps_; ++k) {
        int64_t at = (n * offset_groups_ + g) * taps_ + k;
        const float* mask = mask_ ? run.in<float>(4) : nullptr;
        place(run.in<float>(2) + at * 2 * pixels_ + first, mask ? mask + at * pixels_ + first : nullptr, k, first,
              count, index, weight);
        int64_t channel = g * channels;
        kernels::sample_kernels().run({index, weight, 4, count, kPixels},
                                      run.in<float>(0) + (n * x_[1] + channel) * plane, plane, channels,
                                      columns + (channel * taps_ + k) * kPixels, taps_ * kPixels);
      }
    const auto& kernel = kernels::matmul_kernels();
    kernels::MatMulShape shape = shape_;
    shape.columns = count;
    for (int64_t g = 0; g < groups_; ++g) {
      float* y = run.out<float>() + (n * y_[1] + g * shape.rows) * pixels_ + first;
      kernel.pack({columns + g * shape.depth * kPixels, kPixels, 1}, shape.depth, count, packed);
      kernel.run(shape, run.in<float>(1) + g * shape.rows * shape.depth, packed, 1, y, 0, shape.rows);
      if (const float* bias = bias_ ? run.in<float>(3) : nullptr)
        for (int64_t m = 0; m < shape.rows; ++m)
          for (int64_t p = 0; p < count; ++p) y[m * pixels_ + p] += bias[g * shape.rows + m];
    }
  }

  /// The four neighbors of the places that kernel element `k` reads for pixels [first, first + count); zeros outside.
  void place(const float* offset, const float* mask, int64_t k, int64_t first, int64_t count, int32_t* index,
             float* weight) const {
    const int64_t height = x_[2], width = x_[3];
    for (int64_t p = 0; p < count; ++p) {
      int64_t row = (first + p) / y_[3] * window_.strides[0] - window_.pads_begin[0] +
                    k / window_.kernel[1] * window_.dilations[0];
      int64_t column = (first + p) % y_[3] * window_.strides[1] - window_.pads_begin[1] +
                       k % window_.kernel[1] * window_.dilations[1];
      double v = static_cast<double>(row) + static_cast<double>(offset[p]),
             u = static_cast<double>(column) + static_cast<double>(offset[pixels_ + p]);
      if (!(v > -1 && v < static_cast<double>(height) && u > -1 && u < static_cast<double>(width))) {
        for (int64_t t = 0; t < 4; ++t) index[t * kPixels + p] = 0, weight[t * kPixels + p] = 0;
        continue;
      }
      int64_t top = static_cast<int64_t>(v + 1) - 1, left = static_cast<int64_t>(u + 1) - 1;
      double down = v - static_cast<double>(top), across = u - static_cast<double>(left);
      double factor = mask ? static_cast<double>(mask[p]) : 1;
      int32_t used = 0;
      for (int64_t t = 0; t < 4; ++t) {
        int64_t y = top + t / 2, x = left + t % 2;
        double share = (t / 2 ? down : 1 - down) * (t % 2 ? across : 1 - across);
        bool inside = y >= 0 && y < height && x >= 0 && x < width && share != 0;
        index[t * kPixels + p] = inside ? static_cast<int32_t>(y * width + x) : -1;
        weight[t * kPixels + p] = inside ? static_cast<float>(share * factor) : 0;
        if (inside) used = index[t * kPixels + p];
      }
      for (int64_t t = 0; t < 4; ++t)
        if (index[t * kPixels + p] < 0) index[t * kPixels + p] = used;
    }
  }

  Dims x_, y_;
  int64_t groups_, offset_groups_, taps_ = 1, pixels_ = 1;
  bool bias_, mask_;
  int threads_;
  ops::Window window_;
  kernels::MatMulShape shape_;
  int64_t packed_ = 0, floats_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_native_deform_conv(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* op = node.as<ops::DeformConv>();
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0));
  if (node.output()->dtype() != DType::f32 || x.size() != 4) return refusal = "not f32 images", nullptr;
  if (element_count(x) == 0 || element_count(dims_of(node.output())) == 0) return refusal = "empty tensor", nullptr;
  if (x[2] * x[3] > INT32_MAX) return refusal = "plane of 2^31 elements", nullptr;
  // The reference checks and names shapes that do not fit.
  Dims offset = dims_of(node.input(2)), y = dims_of(node.output()), w = dims_of(node.input(1));
  int64_t taps = w[2] * w[3] * op->offset_group;
  bool fits = x[1] % op->offset_group == 0 && offset == Dims{y[0], 2 * taps, y[2], y[3]} &&
              (!node.input(4) || dims_of(node.input(4)) == Dims{y[0], taps, y[2], y[3]});
  if (!fits) return refusal = "shapes do not fit", nullptr;
  return std::make_unique<NativeDeformConv>(node, *op, context.threads);
}

}  // namespace hone::cpu
