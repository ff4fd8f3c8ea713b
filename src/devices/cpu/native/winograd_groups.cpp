#include "kernels/winograd_groups.hpp"

#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/native/winograd_conv.hpp"
#include "devices/cpu/tuner.hpp"
#include "kernels/winograd_int8.hpp"

namespace hone::cpu {

namespace {

class WinogradGroups : public Kernel {
 public:
  WinogradGroups(const kernels::ConvShape& conv, const CpuContext& context)
      : shape_{conv, 4}, context_(context), threads_(context.threads) {
    const int64_t tiles = shape_.tiles(), chunks = (tiles + kTiles - 1) / kTiles;
    chunk_ = (tiles + chunks - 1) / chunks;
    const int64_t groups = (conv.channels + kChannels - 1) / kChannels;
    group_ = (conv.channels + 32 * groups - 1) / (32 * groups) * 32;
  }

  std::string name() const override {
    return std::string("hone winograd 4x4 int8 in groups ") + kernels::name_of(kernels::best_isa());
  }
  std::string signature() const override { return conv_signature(shape_.conv, x_type_); }
  double confidence() const override { return 1.15; }
  size_t weight_bytes() const override { return kernel_->packed_bytes(shape_.conv); }
  std::vector<std::span<const std::byte>> packed() const override {
    return {{static_cast<const std::byte*>(packed_.get()), weight_bytes()}};
  }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }
  void rehearse(const std::shared_ptr<void>& memory) override { packed_ = memory; }

  bool build(const Node& node, std::string& refusal) {
    const auto& fused = *node.as<ops::Fused>();
    const auto& s = shape_.conv;
    x_type_ = node.input(0)->dtype();
    x_zero_ = static_cast<int>(fused.input_quant(0).zero);
    if (!kernel_) return refusal = "needs AVX-512", false;
    if (shape_.tiles() < kWorthTransforming) return refusal = "few tiles for a transformation of the weights", false;
    if (!epilogue_.make(node, fused, s.out_channels, refusal)) return false;
    if (context_.stored) {
      packed_ = context_.stored->next(weight_bytes());
      return true;
    }
    weights_ = node.input(1)->constant();
    if (!sums_fit()) return refusal = "sums may be too large", false;
    return true;
  }

  void prepare(ThreadPool& pool) override {
    packed_ = context_.allocate_weights(weight_bytes(), pool);
    pool.parallel_for(kernel_->blocks(shape_.conv), [&](int64_t block, int) {
      kernel_->pack(shape_.conv, weights_.data<int8_t>().data(), x_zero_, packed_.get(), block, block + 1);
    });
    weights_ = {};
  }

  size_t scratch_bytes() const override {
    return source_bytes() + sums_bytes() + work_bytes() * static_cast<size_t>(threads_);
  }

  void run(const KernelRun& run) const override {
    const kernels::ConvShape& s = shape_.conv;
    const kernels::Epilogue epilogue = epilogue_.bind(run);
    char* work = run.scratch + source_bytes() + sums_bytes();
    for (int64_t first = 0; first < shape_.tiles(); first += chunk_) {
      const kernels::WinogradChunk chunk{first, std::min(chunk_, shape_.tiles() - first), run.scratch,
                                         run.scratch + source_bytes()};
      for (int64_t channel = 0; channel < s.channels; channel += group_) {
        const kernels::WinogradGroup group{channel, std::min(group_, s.channels - channel)};
        spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) {
          kernel_->transform(shape_, run.in(0), x_type_, x_zero_, packed_.get(), chunk, group, begin, end);
        });
        run.pool.parallel_for(kernel_->blocks(s), [&](int64_t block, int thread) {
          kernel_->multiply(s, packed_.get(), chunk, group, block, work + work_bytes() * static_cast<size_t>(thread));
        });
      }
      spread(run, chunk.count, 1,
             [&](int64_t begin, int64_t end) { kernel_->finish(shape_, chunk, epilogue, run.out(), begin, end); });
    }
  }

  /// As winograd_int8, with the transformation of the weights for each chunk and that of the sums for each group,
  /// measured on a server of 2025.
  double estimate() const override {
    const auto& s = shape_.conv;
    const double tiles = static_cast<double>(shape_.tiles()), in = static_cast<double>(s.channels),
                 out = static_cast<double>(s.out_channels), chunks = std::ceil(tiles / static_cast<double>(chunk_)),
                 groups = std::ceil(in / static_cast<double>(group_));
    const double around =
        (tiles * (0.04 + in / 32 * 0.04 + out / 16 * (0.04 + 0.03 * groups)) + chunks * in * out / 32 * 0.04) /
        threads_;
    return 1.08 * around + expected_us(2.16 * tiles * shape_.positions() * in * out, integer_rate() / 2,
                                       chunks * static_cast<double>(weight_bytes()), 0, context_);
  }

 private:
  /// Larger groups save transformations of sums, larger chunks those of weights; larger matrices leave the cache.
  static constexpr int64_t kTiles = 56, kChannels = 256, kWorthTransforming = 20;
  static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }
  size_t source_bytes() const { return rounded(kernel_->source_bytes(chunk_, group_)); }
  size_t sums_bytes() const { return rounded(kernel_->product_bytes(shape_.conv, chunk_)); }
  size_t work_bytes() const { return rounded(kernel_->work_bytes(chunk_, group_)); }

  /// Those of each group, with inputs as large as their type has them.
  bool sums_fit() const {
    const auto& s = shape_.conv;
    const int64_t low = (x_type_ == DType::i8 ? -128 : 0) - x_zero_, high = low + 255;
    const int8_t* w = weights_.data<int8_t>().data();
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t first = 0; first < s.channels; first += group_) {
        const int64_t taps = 9 * std::min(group_, s.channels - first);
        int64_t positive = 0, negative = 0;
        for (int64_t i = 0; i < taps; ++i, ++w) (*w > 0 ? positive : negative) += *w;
        const int64_t most = std::max(positive * high + negative * low, -(negative * high + positive * low));
        if (most >= kernels::winograd_int8_limit) return false;
      }
    return true;
  }

  const kernels::WinogradGroupsKernels* kernel_ = kernels::winograd_groups_kernels();
  kernels::WinogradShape shape_;
  NativeEpilogue epilogue_;
  Tensor weights_;  // until they are packed
  std::shared_ptr<void> packed_;
  CpuContext context_;
  int threads_;
  int64_t chunk_ = 0, group_ = 0;  // tiles, input channels
  DType x_type_ = DType::u8;
  int x_zero_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> make_native_winograd_groups(const Node& node, const CpuContext& context, std::string& refusal) {
  const ops::Conv* conv = integer_winograd_conv(node, refusal);
  if (!conv) return nullptr;
  auto kernel = std::make_unique<WinogradGroups>(conv_shape(node, *conv), context);
  return kernel->build(node, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
