#include "kernels/winograd_int8.hpp"

#include "kernels/winograd_groups.hpp"

#include "kernels/winograd_checks.hpp"

namespace hone::kernels {
namespace {

struct Layer {
  WinogradShape shape;
  DType type = DType::u8;
  int zero = 0;
  std::vector<uint8_t> x, w;

  /// The exact sums.
  std::vector<double> sums() const {
    const ConvShape& s = shape.conv;
    std::vector<double> acc(static_cast<size_t>(s.pixels() * s.out_channels));
    size_t at = 0;
    for (int64_t n = 0; n < s.batch; ++n)
      for (int64_t oh = 0; oh < s.out_height; ++oh)
        for (int64_t ow = 0; ow < s.out_width; ++ow)
          for (int64_t k = 0; k < s.out_channels; ++k, ++at)
            for (int tap = 0; tap < 9; ++tap) {
              const int64_t ih = oh - s.pad_top + tap / 3 * s.dilation_h, iw = ow - s.pad_left + tap % 3 * s.dilation_w;
              if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
              const size_t first = static_cast<size_t>(((n * s.height + ih) * s.width + iw) * s.channels);
              for (int64_t c = 0; c < s.channels; ++c)
                acc[at] += (byte_value(type, x[first + static_cast<size_t>(c)]) - zero) *
                           static_cast<int8_t>(w[static_cast<size_t>((k * s.channels + c) * 9 + tap)]);
            }
    return acc;
  }

  std::vector<uint8_t> run(const WinogradInt8Kernels& kernels, const Epilogue& e, Random& random) const {
    auto packed = aligned(kernels.packed_bytes(shape));
    in_ranges(random, kernels.blocks(shape), [&](int64_t a, int64_t b) {
      kernels.pack(shape, reinterpret_cast<const int8_t*>(w.data()), zero, packed.get(), a, b);
    });
    return run_in_chunks(kernels, shape, packed.get(), e, random,
                         [&](const WinogradChunk& chunk, int64_t begin, int64_t end) {
                           kernels.transform(shape, x.data(), type, zero, packed.get(), chunk, begin, end);
                         });
  }
};

/// The same in random chunks and groups, with random shares of each step.
std::vector<uint8_t> run_in_groups(const Layer& layer, const WinogradGroupsKernels& kernels, const Epilogue& e,
                                   Random& random) {
  const ConvShape& s = layer.shape.conv;
  auto packed = aligned(kernels.packed_bytes(s));
  in_ranges(random, kernels.blocks(s), [&](int64_t a, int64_t b) {
    kernels.pack(s, reinterpret_cast<const int8_t*>(layer.w.data()), layer.zero, packed.get(), a, b);
  });
  const size_t size = e.out_type == DType::f32 ? 4 : 1;
  std::vector<uint8_t> y(static_cast<size_t>(s.pixels() * s.y_row()) * size + 64, 0x5a);
  const int64_t most = 32 * random.range(1, 3);
  for (int64_t first = 0; first < layer.shape.tiles();) {
    WinogradChunk chunk{first, std::min<int64_t>(layer.shape.tiles() - first, random.range(1, 40)), nullptr, nullptr};
    auto source = aligned(kernels.source_bytes(chunk.count, most)),
         product = aligned(kernels.product_bytes(s, chunk.count)),
         work = aligned(kernels.work_bytes(chunk.count, most));
    chunk.source = source.get(), chunk.product = product.get();
    for (WinogradGroup group; group.first < s.channels; group.first += most) {
      group.count = std::min(most, s.channels - group.first);
      in_ranges(random, chunk.count, [&](int64_t a, int64_t b) {
        kernels.transform(layer.shape, layer.x.data(), layer.type, layer.zero, packed.get(), chunk, group, a, b);
      });
      for (int64_t block = 0; block < kernels.blocks(s); ++block)
        kernels.multiply(s, packed.get(), chunk, group, block, work.get());
    }
    in_ranges(random, chunk.count,
              [&](int64_t a, int64_t b) { kernels.finish(layer.shape, chunk, e, y.data(), a, b); });
    first += chunk.count;
  }
  return y;
}

TEST(WinogradInt8, IsExactForAnyShapeZeroPointAndEpilogue) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradInt8Kernels* kernels = winograd_int8_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 60; ++round) {
      Layer layer;
      layer.shape = random_shape(random);
      layer.shape.tile = 4;
      const ConvShape& s = layer.shape.conv;
      layer.type = random.pick({DType::u8, DType::i8});
      layer.zero = layer.type == DType::u8 ? random.pick({0, 128, 255, 77}) : random.pick({0, -128, 127, 5});
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(layer.shape) + name_of(layer.type) + " " +
                   random.trace());
      layer.x = random.bytes(static_cast<size_t>(s.batch * s.height * s.width * s.channels));
      layer.w = random.bytes(static_cast<size_t>(s.out_channels * s.channels * 9));
      // The largest numbers, where 16 bits would overflow first.
      if (random.range(0, 2) == 0)
        for (auto& v : layer.x) v = random.pick<uint8_t>({0, 127, 128, 255});
      if (random.range(0, 2) == 0)
        for (auto& v : layer.w) v = random.pick<uint8_t>({127, 128});
      const auto acc = layer.sums();
      const float spread = 5e3f * std::sqrt(static_cast<float>(s.channels));
      RandomEpilogue epilogue(random, s.out_channels, acc.size(), spread);
      epilogue.add_start(random, s.out_channels, spread);
      ASSERT_NO_FATAL_FAILURE(
          expect_epilogue(layer.run(*kernels, epilogue.e, random), acc, epilogue.e, s.out_channels, 1e-5));
      ASSERT_NO_FATAL_FAILURE(expect_epilogue(run_in_groups(layer, *winograd_groups_kernels(isa), epilogue.e, random),
                                              acc, epilogue.e, s.out_channels, 1e-5));
    }
  }
}

/// 1024 channels of 255 times a weight: sums up to the limit come out exactly.
TEST(WinogradInt8, SumsUpToTheLimitAreExact) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradInt8Kernels* kernels = winograd_int8_kernels(isa);
    if (!kernels) continue;
    for (const int weight : {14, -14}) {
      Layer layer;
      ConvShape& s = layer.shape.conv;
      s.channels = 1024, s.out_channels = 16, s.height = s.width = 6, s.out_height = s.out_width = 4;
      s.kernel_h = s.kernel_w = 3;
      layer.x.assign(static_cast<size_t>(36 * s.channels), 255);
      layer.w.assign(static_cast<size_t>(16 * s.channels * 9), static_cast<uint8_t>(weight));
      const auto y = layer.run(*kernels, {}, random);
      const double sum = 255.0 * 1024 * 9 * weight;
      ASSERT_LT(std::abs(sum), winograd_int8_limit);
      ASSERT_GT(std::abs(sum), winograd_int8_limit * 0.9);
      for (size_t i = 0; i < 16 * 16; ++i) ASSERT_EQ(element(y.data(), DType::f32, i), static_cast<float>(sum)) << i;
    }
  }
}

/// 2048 channels of 255 times the largest weights: 18 times the limit in all, within it in each group.
TEST(WinogradInt8, SumsOfGroupsAreExactBeyondTheLimit) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradGroupsKernels* kernels = winograd_groups_kernels(isa);
    if (!kernels) continue;
    for (const int weight : {127, -128}) {
      SCOPED_TRACE(std::string(name_of(isa)) + " " + std::to_string(weight) + " " + random.trace());
      Layer layer;
      ConvShape& s = layer.shape.conv;
      layer.shape.tile = 4;
      s.channels = 2048, s.out_channels = 16, s.height = s.width = 6, s.out_height = s.out_width = 4;
      s.kernel_h = s.kernel_w = 3;
      layer.x.assign(static_cast<size_t>(36 * s.channels), 255);
      layer.w.assign(static_cast<size_t>(16 * s.channels * 9), static_cast<uint8_t>(weight));
      const auto y = run_in_groups(layer, *kernels, {}, random);
      const double sum = 255.0 * 2048 * 9 * weight;
      ASSERT_GT(std::abs(sum), 17.0 * winograd_int8_limit);
      for (size_t i = 0; i < 16 * 16; ++i) ASSERT_EQ(element(y.data(), DType::f32, i), static_cast<float>(sum)) << i;
    }
  }
}

}  // namespace
}  // namespace hone::kernels
