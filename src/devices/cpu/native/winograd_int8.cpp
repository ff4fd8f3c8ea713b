#include "kernels/winograd_int8.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/native/winograd_conv.hpp"
#include "devices/cpu/room.hpp"
#include "devices/cpu/tuner.hpp"

namespace hone::cpu {

namespace {

/// The largest sum that a layer can come to, on either side of 0, when x - zero lies within [low, high].
int64_t largest_sum(const Tensor& weights, int64_t low, int64_t high) {
  const int64_t filter = weights.size() / weights.dim(0);
  const int8_t* w = weights.data<int8_t>().data();
  int64_t largest = 0;
  for (int64_t o = 0; o < weights.dim(0); ++o, w += filter) {
    int32_t all = 0, positive = 0;
    for (int64_t i = 0; i < filter; ++i) all += w[i], positive += w[i] > 0 ? w[i] : 0;
    const int64_t negative = static_cast<int64_t>(positive) - all;
    largest = std::max({largest, positive * high - negative * low, negative * high - positive * low});
  }
  return largest;
}

class WinogradInt8 : public WinogradConv {
 public:
  WinogradInt8(const kernels::ConvShape& conv, const CpuContext& context)
      : WinogradConv({conv, 4}, kernels::winograd_int8_kernels(), context) {}
  std::string name() const override {
    return std::string("hone winograd 4x4 int8 ") + kernels::name_of(kernels::best_isa());
  }
  std::string signature() const override { return conv_signature(shape_.conv, x_type_); }
  double confidence() const override { return 1.15; }

  bool build(const Node& node, std::string& refusal) {
    const auto& fused = *node.as<ops::Fused>();
    const auto& s = shape_.conv;
    x_type_ = node.input(0)->dtype();
    x_zero_ = static_cast<int>(fused.input_quant(0).zero);
    if (!kernel_) return refusal = "needs AVX-512", false;
    if (!epilogue_.make(node, fused, s.out_channels, refusal)) return false;
    plan_chunks(shape_.positions() * (2 * s.channels + 4 * s.out_channels), 28);
    if (context_.stored) {
      packed_ = context_.stored->next(weight_bytes());
      return true;
    }
    weights_ = node.input(1)->constant();
    if (context_.transformed && !context_.transformed->contains(&node))
      return refusal = fmt::format("{} MB more weights, of which others gain more", more_bytes() >> 20), false;
    if (!has_room(refusal)) return false;
    const int64_t low = (x_type_ == DType::i8 ? -128 : 0) - x_zero_;
    if (largest_sum(weights_, low, low + 255) >= kernels::winograd_int8_limit)
      return refusal = "sums may be too large", false;
    return true;
  }

  /// Products at half the rate of 8-bit ones, and the transformations, measured on a server of 2025. Eight times the
  /// weights take memory, and more than their share of its bandwidth where several inferences run: not for little gain.
  double estimate() const override {
    const auto& s = shape_.conv;
    const double tiles = static_cast<double>(shape_.tiles()), in = static_cast<double>(s.channels),
                 out = static_cast<double>(s.out_channels);
    const double around = tiles * (0.04 + in / 32 * 0.04 + out / 16 * 0.045) / threads_;
    return around + expected_us(2 * tiles * shape_.positions() * in * out, integer_rate() / 2,
                                1.3 * static_cast<double>(weight_bytes()), 0, context_);
  }

  /// What the kernel that multiplies directly is expected to take.
  double direct_estimate() const {
    const auto& s = shape_.conv;
    return expected_us(conv_operations(s), integer_rate(), static_cast<double>(9 * s.channels * s.out_channels), 0,
                       context_);
  }

 private:
  void pack(ThreadPool& pool) const override {
    pool.parallel_for(kernel_->blocks(shape_), [&](int64_t block, int) {
      kernel_->pack(shape_, weights_.data<int8_t>().data(), x_zero_, packed_.get(), block, block + 1);
    });
  }
  void transform(const KernelRun& run, const kernels::WinogradChunk& chunk, int64_t begin,
                 int64_t end) const override {
    kernel_->transform(shape_, run.in(0), x_type_, x_zero_, packed_.get(), chunk, begin, end);
  }

  const kernels::WinogradInt8Kernels* kernel_ = kernels::winograd_int8_kernels();
  DType x_type_ = DType::u8;
  int x_zero_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_native_winograd_int8(const Node& node, const CpuContext& context, std::string& refusal) {
  const ops::Conv* conv = integer_winograd_conv(node, refusal);
  if (!conv) return nullptr;
  auto kernel = std::make_unique<WinogradInt8>(conv_shape(node, *conv), context);
  return kernel->build(node, refusal) ? std::move(kernel) : nullptr;
}

std::unordered_set<const Node*> worth_transforming(const Graph& graph, const CpuContext& context) {
  struct Gain {
    const Node* node;
    double us;
    size_t bytes;
    double density() const { return us / static_cast<double>(bytes); }
  };
  std::vector<Gain> gains;
  if (!kernels::winograd_int8_kernels()) return {};
  std::string refusal;
  for (const auto& node : graph.nodes()) {
    const ops::Conv* conv = integer_winograd_conv(*node, refusal);
    if (!conv) continue;
    const WinogradInt8 kernel(conv_shape(*node, *conv), context);
    const double us = kernel.direct_estimate() - kernel.estimate();
    if (us > 0) gains.push_back({node.get(), us, kernel.weight_bytes()});
  }
  std::stable_sort(gains.begin(), gains.end(), [](const Gain& a, const Gain& b) { return a.density() > b.density(); });
  std::unordered_set<const Node*> chosen;
  size_t left = context.room ? *context.room : SIZE_MAX;
  for (const Gain& gain : gains) {
    if (gain.bytes > left) continue;
    left -= gain.bytes;
    chosen.insert(gain.node);
  }
  return chosen;
}

}  // namespace hone::cpu
