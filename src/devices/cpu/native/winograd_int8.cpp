#include "kernels/winograd_int8.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "devices/cpu/native/conv_node.hpp"
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

class WinogradInt8 : public Kernel {
 public:
  WinogradInt8(const kernels::ConvShape& conv, const CpuContext& context)
      : kernel_(kernels::winograd_int8_kernels()), context_(context), threads_(context.threads) {
    shape_.conv = conv;
  }
  std::string name() const override {
    return std::string("hone winograd 4x4 int8 ") + kernels::name_of(kernels::best_isa());
  }
  std::string signature() const override { return conv_signature(shape_.conv, x_type_); }
  double confidence() const override { return 1.15; }
  size_t weight_bytes() const override { return kernel_->packed_bytes(shape_); }
  std::vector<std::span<const std::byte>> packed() const override {
    return {{static_cast<const std::byte*>(packed_.get()), weight_bytes()}};
  }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }

  bool build(const Node& node, std::string& refusal) {
    const auto& fused = *node.as<ops::Fused>();
    x_type_ = node.input(0)->dtype();
    x_zero_ = static_cast<int>(fused.input_quant(0).zero);
    if (!kernel_) return refusal = "needs AVX-512", false;
    if (!epilogue_.make(node, fused, shape_.conv.out_channels, refusal)) return false;
    plan_chunks();
    if (context_.stored) {
      packed_ = context_.stored->next(weight_bytes());
      return true;
    }
    weights_ = node.input(1)->constant();
    if (context_.transformed && !context_.transformed->contains(&node))
      return refusal = fmt::format("{} MB more weights, of which others gain more", more_bytes() >> 20), false;
    if (context_.room && more_bytes() > *context_.room)
      return refusal = fmt::format("{} MB more weights than the plan has room for", more_bytes() >> 20), false;
    const int64_t low = (x_type_ == DType::i8 ? -128 : 0) - x_zero_;
    if (largest_sum(weights_, low, low + 255) >= kernels::winograd_int8_limit)
      return refusal = "sums may be too large", false;
    return true;
  }

  void rehearse(const std::shared_ptr<void>& memory) override { packed_ = memory; }

  void prepare(ThreadPool& pool) override {
    if (context_.room) *context_.room -= std::min(*context_.room, more_bytes());
    if (!packed_) packed_ = context_.allocate_weights(weight_bytes());
    pool.parallel_for(kernel_->blocks(shape_), [&](int64_t block, int) {
      kernel_->pack(shape_, weights_.data<int8_t>().data(), x_zero_, packed_.get(), block, block + 1);
    });
    weights_ = {};
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

  size_t scratch_bytes() const override {
    return (source_bytes() + product_bytes()) * static_cast<size_t>(together_ ? 1 : threads_);
  }

  void run(const KernelRun& run) const override {
    const kernels::Epilogue epilogue = epilogue_.bind(run);
    const int64_t tiles = shape_.tiles(), chunks = (tiles + chunk_ - 1) / chunk_;
    const int64_t units = shape_.positions() * kernel_->blocks(shape_);
    auto chunk_at = [&](int64_t index, int slot) {
      char* source = run.scratch + (source_bytes() + product_bytes()) * static_cast<size_t>(slot);
      return kernels::WinogradInt8Chunk{index * chunk_, std::min(chunk_, tiles - index * chunk_), source,
                                        source + source_bytes()};
    };
    auto transform = [&](const kernels::WinogradInt8Chunk& chunk, int64_t begin, int64_t end) {
      kernel_->transform(shape_, run.in(0), x_type_, x_zero_, packed_.get(), chunk, begin, end);
    };
    if (!together_) {
      run.pool.parallel_for(chunks, [&](int64_t index, int thread) {
        const auto chunk = chunk_at(index, thread);
        transform(chunk, 0, chunk.count);
        kernel_->multiply(shape_, packed_.get(), chunk, 0, units);
        kernel_->finish(shape_, chunk, epilogue, run.out(), 0, chunk.count);
      });
      return;
    }
    for (int64_t index = 0; index < chunks; ++index) {
      const auto chunk = chunk_at(index, 0);
      spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) { transform(chunk, begin, end); });
      // Many small shares: a thread that started late leaves the rest to the others.
      const int64_t shares = std::min<int64_t>(units, 8 * run.pool.threads());
      run.pool.parallel_for(shares, [&](int64_t share, int) {
        kernel_->multiply(shape_, packed_.get(), chunk, units * share / shares, units * (share + 1) / shares);
      });
      spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) {
        kernel_->finish(shape_, chunk, epilogue, run.out(), begin, end);
      });
    }
  }

 private:
  size_t more_bytes() const { return weight_bytes() - std::min(weight_bytes(), weights_.bytes()); }

  /// A chunk's matrices should stay in the second-level cache; but weights that do not fit there are read once a chunk,
  /// so that chunks must have tiles enough to pay for it.
  void plan_chunks() {
    const auto& s = shape_.conv;
    const int64_t tiles = shape_.tiles(), per_tile = shape_.positions() * (2 * s.channels + 4 * s.out_channels);
    int64_t count = std::min(tiles, std::max<int64_t>(600 * 1024 / per_tile, 28));
    together_ = threads_ > 1 && tiles < 2 * threads_ * count && tiles < 8 * threads_ * 28;
    if (!together_ && threads_ > 1) count = std::min(count, (tiles + 2 * threads_ - 1) / (2 * threads_));
    const int64_t chunks = (tiles + count - 1) / count;
    chunk_ = (tiles + chunks - 1) / chunks;
  }
  static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }
  size_t source_bytes() const { return rounded(kernel_->source_bytes(shape_, chunk_)); }
  size_t product_bytes() const { return rounded(kernel_->product_bytes(shape_, chunk_)); }

  kernels::WinogradShape shape_;
  NativeEpilogue epilogue_;
  const kernels::WinogradInt8Kernels* kernel_;
  DType x_type_ = DType::u8;
  int x_zero_ = 0;
  Tensor weights_;  // until they are packed
  std::shared_ptr<void> packed_;
  int64_t chunk_ = 0;
  CpuContext context_;
  int threads_ = 1;
  bool together_ = false;  // all threads work on one chunk, step by step; else on a chunk each
};

/// Whether the kernel takes a node, looking at its attributes and sizes alone.
bool takes(const Node& node, std::string& refusal) {
  const ops::Conv* conv = plain_conv(node, refusal);
  if (!conv || node.as<ops::Fused>()->weight_scales.empty()) return false;
  const kernels::ConvShape shape = conv_shape(node, *conv);
  const bool unit_stride = shape.stride_h == 1 && shape.stride_w == 1 && shape.dilation_h == shape.dilation_w;
  if (shape.kernel_h != 3 || shape.kernel_w != 3 || !unit_stride || shape.groups != 1)
    return refusal = "not 3x3 of stride 1", false;
  if (shape.channels < 16 || shape.out_channels < 16) return refusal = "few channels", false;
  return true;
}

}  // namespace

std::unique_ptr<Kernel> make_native_winograd_int8(const Node& node, const CpuContext& context, std::string& refusal) {
  if (!takes(node, refusal)) return nullptr;
  auto kernel = std::make_unique<WinogradInt8>(conv_shape(node, *plain_conv(node, refusal)), context);
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
  std::string refusal;
  for (const auto& node : graph.nodes()) {
    if (!kernels::winograd_int8_kernels() || !takes(*node, refusal)) continue;
    const WinogradInt8 kernel(conv_shape(*node, *plain_conv(*node, refusal)), context);
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
