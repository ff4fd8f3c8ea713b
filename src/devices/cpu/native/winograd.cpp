#include <cmath>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/native/winograd_conv.hpp"
#include "devices/cpu/tuner.hpp"

namespace hone::cpu {

namespace {

/// The largest error of one layer, relative to the root mean square of its outputs, that is accepted: the largest of a
/// sample, some four times the usual one. A whole network has to stay within 1e-3; errors of layers add up like random
/// numbers, so a hundred layers stay below 3e-4.
constexpr double kErrorLimit = 1e-4;

/// Error of the transformed convolution on random images, for the first output channels of the layer.
double sampled_error(const kernels::WinogradShape& layer, const Tensor& weights) {
  kernels::WinogradShape shape = layer;
  kernels::ConvShape& s = shape.conv;
  s.batch = 1, s.dilation_h = s.dilation_w = 1, s.pad_top = s.pad_left = 0;
  s.height = s.width = 6, s.out_height = s.out_width = 4;
  s.out_channels = std::min<int64_t>(s.out_channels, 16);
  const auto* kernel = kernels::winograd_kernels();
  WeightRows rows(weights, s.out_channels, 1);
  const float* w = rows.base(0, s.out_channels, 0);
  const int64_t tiles = shape.tiles();
  auto packed = allocate(kernel->packed_bytes(shape));
  kernel->pack(shape, w, packed.get(), 0, kernel->blocks(shape));
  std::mt19937 random(1);
  std::vector<float> x(static_cast<size_t>(s.height * s.width * s.channels));
  // As after a Relu: mean and deviation of the same size.
  for (float& value : x) value = static_cast<float>(random() % 65536) / 65536.0f;
  auto source = allocate(kernel->source_bytes(shape, tiles)), product = allocate(kernel->product_bytes(shape, tiles));
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

class Winograd : public WinogradConv {
 public:
  Winograd(int tile, const kernels::ConvShape& conv, const CpuContext& context)
      : WinogradConv({conv, tile}, kernels::winograd_kernels(), context) {}
  std::string name() const override {
    return fmt::format("hone winograd {0}x{0} f32 {1}", shape_.tile, kernels::name_of(kernels::best_isa()));
  }
  std::string signature() const override { return conv_signature(shape_.conv, DType::f32); }

  bool spaces_output(size_t length) const override {
    return epilogue_.residual_input < 0 && length == out_size_ * static_cast<size_t>(shape_.conv.out_channels);
  }
  void space_output(size_t row) override { shape_.conv.out_row = static_cast<int64_t>(row / out_size_); }

  bool build(const Node& node, std::string& refusal) {
    if (!kernel_) return refusal = "needs AVX2", false;
    const auto& s = shape_.conv;
    out_size_ = size_of(node.output()->dtype());
    if (!epilogue_.make(node, *node.as<ops::Fused>(), s.out_channels, refusal)) return false;
    const bool large = shape_.positions() * s.channels * s.out_channels * 4 > 512 * 1024;
    plan_chunks(shape_.positions() * (s.channels + s.out_channels + 32) * 4, large ? 56 : 28);
    if (context_.stored) {
      packed_ = context_.stored->next(weight_bytes());
      return true;
    }
    weights_ = node.input(1)->constant();
    if (shape_.tile == 4 && !has_room(refusal)) return false;
    const double error = sampled_error(shape_, weights_);
    if (!(error <= kErrorLimit))
      return refusal = fmt::format("relative error {:.1g}, allowed {:.0g}", error, kErrorLimit), false;
    return true;
  }

  double estimate() const override {
    const auto& s = shape_.conv;
    const double positions = shape_.positions(), tiles = static_cast<double>(shape_.tiles());
    const double in = static_cast<double>(s.channels), out = static_cast<double>(s.out_channels);
    // A little more than the other kernels, for the memory of the weights.
    return 1.05 * expected_us(2 * tiles * positions * in * out, float_rate(), static_cast<double>(weight_bytes()),
                              8 * tiles * positions * (in + out), context_);
  }

 private:
  void pack(ThreadPool& pool) const override {
    const int64_t blocks = kernel_->blocks(shape_);
    auto first = [&](int64_t block) { return kernel_->first_channel(shape_, block); };
    WeightRows rows(weights_, largest_block(blocks, first), pool.threads());
    pool.parallel_for(blocks, [&](int64_t block, int thread) {
      kernel_->pack(shape_, rows.base(first(block), first(block + 1), thread), packed_.get(), block, block + 1);
    });
  }
  void transform(const KernelRun& run, const kernels::WinogradChunk& chunk, int64_t begin,
                 int64_t end) const override {
    kernel_->transform(shape_, run.in<float>(0), packed_.get(), chunk, begin, end);
  }

  size_t out_size_ = 4;  // of an element
  const kernels::WinogradKernels* kernel_ = kernels::winograd_kernels();
};

std::unique_ptr<Kernel> make_winograd(int tile, const Node& node, const CpuContext& context, std::string& refusal) {
  const ops::Conv* conv = winograd_conv(node, refusal);
  if (!conv) return nullptr;
  if (node.input(0)->dtype() != DType::f32 || node.input(1)->dtype() != DType::f32) return refusal = "not f32", nullptr;
  const kernels::ConvShape shape = conv_shape(node, *conv);
  if (has_few_channels(shape, refusal)) return nullptr;
  auto kernel = std::make_unique<Winograd>(tile, shape, context);
  return kernel->build(node, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace

std::unique_ptr<Kernel> make_native_winograd4(const Node& node, const CpuContext& context, std::string& refusal) {
  return make_winograd(4, node, context, refusal);
}
std::unique_ptr<Kernel> make_native_winograd2(const Node& node, const CpuContext& context, std::string& refusal) {
  return make_winograd(2, node, context, refusal);
}

}  // namespace hone::cpu
