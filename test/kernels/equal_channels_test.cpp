#include <cstring>

#include "kernels/depthwise.hpp"
#include "kernels/gemv.hpp"
#include "kernels/matmul.hpp"
#include "kernels/winograd_checks.hpp"

/// Output channels with equal weights give equal results to the last bit, wherever the channels lie: in the first
/// block or the last, in a whole vector or a part of one. A classifier whose rows are equal has equal logits then.
namespace hone::kernels {
namespace {

/// One filter, `channels` times.
std::vector<float> repeated(Random& random, int64_t filter, int64_t channels) {
  const auto one = random.floats(static_cast<size_t>(filter), -1, 1);
  std::vector<float> all;
  for (int64_t c = 0; c < channels; ++c) all.insert(all.end(), one.begin(), one.end());
  return all;
}

/// y is [pixels, channels]; channels from `cut` on may differ from those before, but not among themselves.
void expect_equal_channels(const std::vector<float>& y, int64_t channels, int64_t cut) {
  for (size_t i = 0; i < y.size(); ++i) {
    const int64_t c = static_cast<int64_t>(i) % channels, like = c < cut ? 0 : cut;
    const size_t other = i - static_cast<size_t>(c - like);
    ASSERT_EQ(std::memcmp(&y[i], &y[other], sizeof(float)), 0)
        << "channel " << c << " of pixel " << static_cast<int64_t>(i) / channels << " is " << y[i] << ", channel "
        << like << " is " << y[other];
  }
}

/// First of the channels that the convolution adds up by quads beside others that are not: a few left over of no more
/// than eight vectors, with input channels by fours. Their sums are rounded in another order.
int64_t first_by_quads(int64_t lanes, int64_t in, int64_t out) {
  const int64_t rest = out % lanes;
  const bool all_by_quads = out <= 6 * lanes / 4, mixed = rest <= lanes / 2 && out <= 8 * lanes;
  return in % 4 == 0 && !all_by_quads && mixed ? out - rest : out;
}

TEST(EqualChannels, OfConvolutions) {
  Random random;
  for (Isa isa : isas()) {
    const ConvF32Kernels* kernels = conv_f32_kernels(isa);
    if (!kernels) continue;
    const int64_t lanes = isa >= Isa::avx512 ? 16 : 8;
    for (int64_t out : {3, 12, 16, 20, 24, 33, 40, 64, 72, 80, 100, 128, 130, 200, 250, 1000})
      for (int kernel : {1, 3}) {
        ConvShape s;
        s.channels = random.pick({3, 8, 17, 32}), s.out_channels = out;
        s.height = random.range(1, 4), s.width = random.range(1, 30);
        s.out_height = s.height, s.out_width = s.width;
        s.kernel_h = s.kernel_w = kernel, s.pad_top = s.pad_left = kernel / 2;
        SCOPED_TRACE(std::string(name_of(isa)) + " " + std::to_string(s.channels) + " to " + std::to_string(out) +
                     " kernel " + std::to_string(kernel) + " " + random.trace());
        const auto x = random.floats(static_cast<size_t>(s.height * s.width * s.channels), -1, 1),
                   w = repeated(random, s.channels * s.taps(), out);
        auto packed = aligned(kernels->packed_bytes(s));
        kernels->pack(s, w.data(), packed.get(), 0, kernels->blocks(s));
        std::vector<float> y(static_cast<size_t>(s.pixels() * out));
        kernels->run(s, x.data(), packed.get(), {}, y.data(), {0, s.pixels(), 0, kernels->blocks(s)});
        ASSERT_NO_FATAL_FAILURE(expect_equal_channels(y, out, first_by_quads(lanes, s.channels, out)));
      }
  }
}

TEST(EqualChannels, OfWinograd) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradKernels* kernels = winograd_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 12; ++round) {
      const WinogradShape shape = random_shape(random);
      const ConvShape& s = shape.conv;
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(shape) + random.trace());
      const auto x = random.floats(static_cast<size_t>(s.batch * s.height * s.width * s.channels), -1, 1),
                 w = repeated(random, s.channels * 9, s.out_channels);
      auto packed = aligned(kernels->packed_bytes(shape));
      kernels->pack(shape, w.data(), packed.get(), 0, kernels->blocks(shape));
      const auto bytes = run_in_chunks(*kernels, shape, packed.get(), {}, random,
                                       [&](const WinogradChunk& chunk, int64_t begin, int64_t end) {
                                         kernels->transform(shape, x.data(), packed.get(), chunk, begin, end);
                                       });
      std::vector<float> y(static_cast<size_t>(s.pixels() * s.out_channels));
      std::memcpy(y.data(), bytes.data(), y.size() * sizeof(float));
      ASSERT_NO_FATAL_FAILURE(expect_equal_channels(y, s.out_channels, s.out_channels));
    }
  }
}

TEST(EqualChannels, OfProducts) {
  Random random;
  for (Isa isa : isas())
    for (int64_t columns : {1, 7, 16, 40, 65, 100, 1000}) {
      const int64_t rows = random.range(1, static_cast<int>(gemv_max_rows)), depth = random.range(1, 150);
      SCOPED_TRACE(std::string(name_of(isa)) + " " + std::to_string(rows) + " " + std::to_string(depth) + " " +
                   std::to_string(columns) + " " + random.trace());
      const auto x = random.floats(static_cast<size_t>(rows * depth), -1, 1), w = repeated(random, depth, columns);
      std::vector<float> y(static_cast<size_t>(rows * columns));
      gemv_kernels(isa).run({rows, depth, columns}, x.data(), w.data(), {}, y.data(), 0,
                            (columns + gemv_unit - 1) / gemv_unit);
      ASSERT_NO_FATAL_FAILURE(expect_equal_channels(y, columns, columns));
      const MatMulKernels& matmul = matmul_kernels(isa);
      auto packed = aligned(matmul.packed_floats(depth, columns) * sizeof(float));
      matmul.pack({w.data(), 1, depth}, depth, columns, static_cast<float*>(packed.get()));
      matmul.run({rows, depth, columns, depth, columns}, x.data(), static_cast<const float*>(packed.get()), 1,
                 y.data(), 0, rows);
      ASSERT_NO_FATAL_FAILURE(expect_equal_channels(y, columns, columns));
    }
}

TEST(EqualChannels, OfDepthwiseConvolutions) {
  Random random;
  for (Isa isa : isas())
    for (int kernel : {1, 3, 5, 7})
      for (int64_t channels : {1, 5, 16, 30, 64, 77}) {
        DepthwiseShape s;
        s.height = s.out_height = random.range(1, 9), s.width = s.out_width = random.range(1, 40);
        s.channels = channels, s.kernel_h = s.kernel_w = kernel, s.pad_top = s.pad_left = kernel / 2;
        SCOPED_TRACE(std::string(name_of(isa)) + " " + std::to_string(channels) + " kernel " +
                     std::to_string(kernel) + " " + random.trace());
        std::vector<float> x;
        for (int64_t pixel = 0; pixel < s.height * s.width; ++pixel)
          x.insert(x.end(), static_cast<size_t>(channels), random.real(-1, 1));
        const auto w = repeated(random, kernel * kernel, channels);
        std::vector<float> packed(w.size()), y(x.size());
        depthwise_pack_f32(s, w.data(), packed.data());
        depthwise_f32_kernels(isa).run(s, x.data(), packed.data(), {}, y.data(), 0, s.out_height);
        ASSERT_NO_FATAL_FAILURE(expect_equal_channels(y, channels, channels));
      }
}

}  // namespace
}  // namespace hone::kernels
