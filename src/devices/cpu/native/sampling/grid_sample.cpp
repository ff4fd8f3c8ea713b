#include "graph/ops/index/grid_sample.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "kernels/sample.hpp"

/// GridSample of f32 in any mode: the places and weights of a stretch of points once for all channels.
namespace hone::cpu {

namespace {

constexpr int64_t kPoints = 256;  ///< of a stretch
constexpr double kFar = 1 << 20;  ///< coordinates beyond it are as far outside

using Taps = ops::GridSample::Taps;

class NativeGridSample : public Kernel {
 public:
  NativeGridSample(const Node& node, const ops::GridSample& op, int threads) : op_(op), threads_(threads) {
    Dims x = dims_of(node.input(0)), y = dims_of(node.output());
    batch_ = x[0], channels_ = x[1];
    size_.assign(x.begin() + 2, x.end());
    for (size_t i = 2; i < x.size(); ++i) plane_ *= x[i], points_ *= y[i];
    const bool linear = op.mode == "linear" || op.mode == "bilinear";
    linear_ = linear && size_.size() == 2;
    zeros_ = op.padding_mode == "zeros", corners_ = op.align_corners != 0;
    each_ = linear ? 2 : op.mode == "nearest" ? 1 : 4;
    for (size_t i = 0; i < size_.size(); ++i) taps_ *= each_;
  }
  std::string name() const override { return "hone grid sample"; }
  size_t scratch_bytes() const override { return thread_bytes() * static_cast<size_t>(threads_); }

  void run(const KernelRun& run) const override {
    int64_t stretches = (points_ + kPoints - 1) / kPoints, rank = static_cast<int64_t>(size_.size());
    run.pool.parallel_for(batch_ * stretches, [&](int64_t task, int thread) {
      int64_t n = task / stretches, first = task % stretches * kPoints;
      auto* index = reinterpret_cast<int32_t*>(run.scratch + thread_bytes() * static_cast<size_t>(thread));
      auto* weight = reinterpret_cast<float*>(index + taps_ * kPoints);
      int64_t count = std::min(kPoints, points_ - first);
      const float* grid = run.in<float>(1) + (n * points_ + first) * rank;
      for (int64_t p = 0; p < count; ++p, grid += rank) {
        if (linear_) place_linear(grid, index + p, weight + p);
        else place(grid, index + p, weight + p);
      }
      kernels::sample_kernels().run({index, weight, taps_, count, kPoints}, run.in<float>(0) + n * channels_ * plane_,
                                    plane_, channels_, run.out<float>() + n * channels_ * points_ + first, points_);
    });
  }

 private:
  size_t thread_bytes() const { return static_cast<size_t>(taps_ * kPoints) * (sizeof(int32_t) + sizeof(float)); }

  /// Two neighbors on an axis and their weights.
  struct Pair {
    int64_t low, high;
    double first, second;
  };
  /// What the op says, straight for what is usual.
  Pair pair(float point, int64_t size) const {
    auto length = static_cast<double>(size), at = static_cast<double>(point);
    at = corners_ ? (at + 1) / 2 * (length - 1) : ((at + 1) * length - 1) / 2;
    bool inside = at >= 0 && at <= length - 1;
    if (!(zeros_ || inside) || !(std::abs(at) < kFar)) {
      Taps taps = op_.taps_at(static_cast<double>(point), size);
      return {taps.index[0], taps.index[1], taps.weight[0], taps.weight[1]};
    }
    auto low = static_cast<int64_t>(at + kFar) - static_cast<int64_t>(kFar);
    double ratio = at - static_cast<double>(low);
    bool first = low >= 0 && low < size, second = low + 1 >= 0 && low + 1 < size;
    return {std::clamp<int64_t>(low, 0, size - 1), std::clamp<int64_t>(low + 1, 0, size - 1), first ? 1 - ratio : 0,
            second ? ratio : 0};
  }

  /// An element without weight reads what another reads, so that it cannot pick up an infinity.
  void spare(int32_t used, int32_t* index, const float* weight) const {
    for (int64_t t = 0; t < taps_; ++t)
      if (weight[t * kPoints] == 0) index[t * kPoints] = used;
  }

  /// The table entries of one point between four pixels of an image.
  void place_linear(const float* point, int32_t* index, float* weight) const {
    const Pair x = pair(point[0], size_[1]), y = pair(point[1], size_[0]);
    const int64_t width = size_[1];
    const int64_t at[] = {y.low * width + x.low, y.low * width + x.high, y.high * width + x.low,
                          y.high * width + x.high};
    const double share[] = {y.first * x.first, y.first * x.second, y.second * x.first, y.second * x.second};
    int used = 0;
    bool any_spare = false;
    for (int t = 0; t < 4; ++t) {
      index[t * kPoints] = static_cast<int32_t>(at[t]);
      weight[t * kPoints] = static_cast<float>(share[t]);
      if (share[t] != 0) used = t;
      else any_spare = true;
    }
    if (any_spare) spare(static_cast<int32_t>(at[used]), index, weight);
  }

  /// The table entries of one point.
  void place(const float* point, int32_t* index, float* weight) const {
    Taps axes[3];
    size_t rank = size_.size();
    for (size_t i = 0; i < rank; ++i)
      axes[rank - 1 - i] = op_.taps_at(static_cast<double>(point[i]), size_[rank - 1 - i]);
    int32_t used = -1;
    for (int64_t t = 0; t < taps_; ++t) {
      int64_t at = 0, stride = 1, left = t;
      double factor = 1;
      for (size_t i = rank; i-- > 0; left /= each_) {
        auto k = static_cast<size_t>(left % each_);
        at += axes[i].index[k] * stride;
        factor *= axes[i].weight[k];
        stride *= size_[i];
      }
      index[t * kPoints] = static_cast<int32_t>(at);
      weight[t * kPoints] = static_cast<float>(factor);
      if (factor != 0) used = static_cast<int32_t>(at);
    }
    if (used >= 0) spare(used, index, weight);
  }

  ops::GridSample op_;
  int threads_;
  int64_t batch_ = 1, channels_ = 1, plane_ = 1, points_ = 1, each_ = 1, taps_ = 1;
  bool linear_ = true;  ///< between four pixels of an image
  bool zeros_ = true, corners_ = false;
  std::vector<int64_t> size_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_grid_sample(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* op = node.as<ops::GridSample>();
  if (!op) return nullptr;
  if (node.input(0)->dtype() != DType::f32 || node.input(1)->dtype() != DType::f32) return refusal = "not f32", nullptr;
  Dims x = dims_of(node.input(0));
  if (element_count(x) == 0 || element_count(dims_of(node.output())) == 0) return refusal = "empty tensor", nullptr;
  if (element_count(x) / (x[0] * x[1]) > INT32_MAX) return refusal = "plane of 2^31 elements", nullptr;
  return std::make_unique<NativeGridSample>(node, *op, context.threads);
}

}  // namespace hone::cpu
