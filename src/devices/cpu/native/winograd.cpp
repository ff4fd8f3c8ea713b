#include "kernels/winograd.hpp"

#include <cmath>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/tuner.hpp"

namespace hone::cpu {

namespace {

/// The largest error of one layer, relative to the root mean square of its outputs, that is accepted: the largest of a
/// sample, some four times the usual one. A whole network has to stay within 1e-3; errors of layers add up like random
/// numbers, so a hundred layers stay below 3e-4.
constexpr double kErrorLimit = 1e-4;

/// Error of the transformed convolution on random images, for the first output channels of the layer.
double sampled_error(const kernels::WinogradShape& layer, const float* w) {
  kernels::WinogradShape shape = layer;
  kernels::ConvShape& s = shape.conv;
  s.batch = 1, s.dilation_h = s.dilation_w = 1, s.pad_top = s.pad_left = 0;
  s.height = s.width = 6, s.out_height = s.out_width = 4;
  s.out_channels = std::min<int64_t>(s.out_channels, 16);
  const auto* kernel = kernels::winograd_kernels();
  const int64_t tiles = shape.tiles();
  auto floats = [](size_t count) { return std::static_pointer_cast<float>(allocate(count * sizeof(float))); };
  auto packed = allocate(kernel->packed_bytes(shape));
  kernel->pack(shape, w, packed.get(), 0, kernel->blocks(shape));
  std::mt19937 random(1);
  std::vector<float> x(static_cast<size_t>(s.height * s.width * s.channels));
  // As after a Relu: mean and deviation of the same size.
  for (float& value : x) value = static_cast<float>(random() % 65536) / 65536.0f;
  auto source = floats(kernel->source_floats(shape, tiles)), product = floats(kernel->product_floats(shape, tiles));
  std::vector<float> y(static_cast<size_t>(s.pixels() * s.out_channels));
  const kernels::WinogradChunk chunk{0, tiles, source.get(), product.get()};
  kernel->transform(shape, x.data(), packed.get(), chunk, 0, tiles);
  kernel->multiply(shape, packed.get(), chunk, 0, shape.positions() * kernel->blocks(shape));
  kernel->finish(shape, chunk, {}, y.data(), 0, tiles);
  double worst = 0, squares = 0;
  for (int64_t pixel = 0; pixel < s.pixels(); pixel += 3)
    for (int64_t k = 0; k < s.out_channels; ++k) {
      // A sum for each tap: one sum alone would wait for every addition.
      const float* lines[9];
      double sums[9] = {};
      for (int tap = 0; tap < 9; ++tap)
        lines[tap] = x.data() + ((pixel / 4 + tap / 3) * s.width + pixel % 4 + tap % 3) * s.channels;
      const float* filter = w + k * s.channels * 9;
      for (int64_t c = 0; c < s.channels; ++c, filter += 9)
        for (int tap = 0; tap < 9; ++tap) sums[tap] += static_cast<double>(lines[tap][c]) * filter[tap];
      const double sum = std::accumulate(sums, sums + 9, 0.0);
      squares += sum * sum;
      // Written so that NaN counts as too large.
      const double error = std::abs(y[static_cast<size_t>(pixel * s.out_channels + k)] - sum);
      if (!(error <= worst)) worst = error;
    }
  const double count = static_cast<double>((s.pixels() + 2) / 3 * s.out_channels);
  return worst == 0 ? 0 : worst / std::sqrt(squares / count);
}

class Winograd : public Kernel {
 public:
  Winograd(int tile, const CpuContext& context) : context_(context), threads_(context.threads) { shape_.tile = tile; }
  std::string name() const override {
    return fmt::format("hone winograd {0}x{0} f32 {1}", shape_.tile, kernels::name_of(kernels::best_isa()));
  }
  std::string signature() const override { return conv_signature(shape_.conv, DType::f32); }
  size_t weight_bytes() const override { return kernel_->packed_bytes(shape_); }
  std::vector<std::span<const std::byte>> packed() const override {
    return {{static_cast<const std::byte*>(packed_.get()), weight_bytes()}};
  }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }

  bool build(const Node& node, const kernels::ConvShape& conv, std::string& refusal) {
    shape_.conv = conv;
    kernel_ = kernels::winograd_kernels();
    if (!kernel_) return refusal = "needs AVX2", false;
    if (!epilogue_.make(node, *node.as<ops::Fused>(), conv.out_channels, refusal)) return false;
    if (context_.stored) {
      packed_ = context_.stored->next(weight_bytes());
      plan_chunks();
      return true;
    }
    weights_ = node.input(1)->constant();
    if (shape_.tile == 4 && context_.room && more_bytes() > *context_.room)
      return refusal = fmt::format("{} MB more weights than the plan has room for", more_bytes() >> 20), false;
    const double error = sampled_error(shape_, weights_.data<float>().data());
    if (!(error <= kErrorLimit))
      return refusal = fmt::format("relative error {:.1g}, allowed {:.0g}", error, kErrorLimit), false;
    plan_chunks();
    return true;
  }

  void rehearse(const std::shared_ptr<void>& memory) override { packed_ = memory; }

  void prepare(ThreadPool& pool) override {
    if (context_.room) *context_.room -= std::min(*context_.room, more_bytes());
    if (!packed_) packed_ = context_.allocate_weights(kernel_->packed_bytes(shape_));
    pool.parallel_for(kernel_->blocks(shape_), [&](int64_t block, int) {
      kernel_->pack(shape_, weights_.data<float>().data(), packed_.get(), block, block + 1);
    });
    weights_ = {};
  }

  double estimate() const override {
    const auto& s = shape_.conv;
    const double positions = shape_.positions(), tiles = static_cast<double>(shape_.tiles());
    const double in = static_cast<double>(s.channels), out = static_cast<double>(s.out_channels);
    // A little more than the other kernels, for the memory of the weights.
    return 1.05 * expected_us(2 * tiles * positions * in * out, float_rate(), static_cast<double>(weight_bytes()),
                              8 * tiles * positions * (in + out), context_);
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
      return kernels::WinogradChunk{index * chunk_, std::min(chunk_, tiles - index * chunk_),
                                    reinterpret_cast<float*>(source),
                                    reinterpret_cast<float*>(source + source_bytes())};
    };
    if (!together_) {
      run.pool.parallel_for(chunks, [&](int64_t index, int thread) {
        const kernels::WinogradChunk chunk = chunk_at(index, thread);
        kernel_->transform(shape_, run.in<float>(0), packed_.get(), chunk, 0, chunk.count);
        kernel_->multiply(shape_, packed_.get(), chunk, 0, units);
        kernel_->finish(shape_, chunk, epilogue, run.out(), 0, chunk.count);
      });
      return;
    }
    for (int64_t index = 0; index < chunks; ++index) {
      const kernels::WinogradChunk chunk = chunk_at(index, 0);
      spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) {
        kernel_->transform(shape_, run.in<float>(0), packed_.get(), chunk, begin, end);
      });
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
    const int64_t tiles = shape_.tiles(), per_tile = shape_.positions() * (s.channels + s.out_channels + 32) * 4;
    const bool large = shape_.positions() * s.channels * s.out_channels * 4 > 512 * 1024;
    int64_t count = std::min(tiles, std::max<int64_t>(600 * 1024 / per_tile, large ? 56 : 28));
    together_ = threads_ > 1 && tiles < 2 * threads_ * count && tiles < 8 * threads_ * 28;
    if (!together_ && threads_ > 1) count = std::min(count, (tiles + 2 * threads_ - 1) / (2 * threads_));
    const int64_t chunks = (tiles + count - 1) / count;
    chunk_ = (tiles + chunks - 1) / chunks;
  }
  static size_t rounded(size_t floats) { return (floats * sizeof(float) + 63) / 64 * 64; }
  size_t source_bytes() const { return rounded(kernel_->source_floats(shape_, chunk_)); }
  size_t product_bytes() const { return rounded(kernel_->product_floats(shape_, chunk_)); }

  kernels::WinogradShape shape_;
  NativeEpilogue epilogue_;
  const kernels::WinogradKernels* kernel_ = nullptr;
  Tensor weights_;  // until they are packed
  std::shared_ptr<void> packed_;
  int64_t chunk_ = 0;
  CpuContext context_;
  int threads_ = 1;
  bool together_ = false;  // all threads work on one chunk, step by step; else on a chunk each
};

std::unique_ptr<Kernel> make_winograd(int tile, const Node& node, const CpuContext& context, std::string& refusal) {
  const ops::Conv* conv = plain_conv(node, refusal);
  if (!conv) return nullptr;
  const kernels::ConvShape shape = conv_shape(node, *conv);
  const bool unit_stride = shape.stride_h == 1 && shape.stride_w == 1 && shape.dilation_h == shape.dilation_w;
  if (shape.kernel_h != 3 || shape.kernel_w != 3 || !unit_stride || shape.groups != 1)
    return refusal = "not 3x3 of stride 1", nullptr;
  if (node.input(0)->dtype() != DType::f32 || node.input(1)->dtype() != DType::f32) return refusal = "not f32", nullptr;
  if (shape.channels < 16 || shape.out_channels < 16) return refusal = "few channels", nullptr;
  auto kernel = std::make_unique<Winograd>(tile, context);
  return kernel->build(node, shape, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace

std::unique_ptr<Kernel> make_native_winograd4(const Node& node, const CpuContext& context, std::string& refusal) {
  return make_winograd(4, node, context, refusal);
}
std::unique_ptr<Kernel> make_native_winograd2(const Node& node, const CpuContext& context, std::string& refusal) {
  return make_winograd(2, node, context, refusal);
}

}  // namespace hone::cpu
