#include "kernels/winograd.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

WinogradShape random_shape(Random& random) {
  WinogradShape shape;
  ConvShape& s = shape.conv;
  shape.tile = random.pick({2, 4});
  s.batch = random.range(1, 2);
  s.channels = random.pick({1, 3, 8, 16, 17, 32, 35, 70});
  s.out_channels = random.pick({1, 5, 8, 16, 24, 33, 48, 65});
  s.kernel_h = s.kernel_w = 3;
  s.dilation_h = s.dilation_w = random.pick({1, 1, 1, 2, 3, 5});
  s.pad_top = random.range(0, 4), s.pad_left = random.range(0, 4);
  const int span = 2 * s.dilation_h + 1, below = random.range(0, 3), right = random.range(0, 3);
  s.height = std::max<int64_t>(random.range(1, 20), span - s.pad_top - below);
  s.width = std::max<int64_t>(random.range(1, 20), span - s.pad_left - right);
  s.out_height = s.height + s.pad_top + below - span + 1;
  s.out_width = s.width + s.pad_left + right - span + 1;
  return shape;
}

std::string describe(const WinogradShape& shape) {
  const ConvShape& s = shape.conv;
  auto text = [](auto... v) { return ((std::to_string(v) + " ") + ...); };
  return text(shape.tile, s.batch, s.height, s.width, s.channels, s.out_channels) + "d " + text(s.dilation_h) + "p " +
         text(s.pad_top, s.pad_left) + "out " + text(s.out_height, s.out_width);
}

std::vector<double> reference(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& w) {
  std::vector<double> acc(static_cast<size_t>(s.pixels() * s.out_channels));
  size_t at = 0;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t oh = 0; oh < s.out_height; ++oh)
      for (int64_t ow = 0; ow < s.out_width; ++ow)
        for (int64_t k = 0; k < s.out_channels; ++k, ++at)
          for (int tap = 0; tap < 9; ++tap) {
            const int64_t ih = oh - s.pad_top + tap / 3 * s.dilation_h, iw = ow - s.pad_left + tap % 3 * s.dilation_w;
            if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
            for (int64_t c = 0; c < s.channels; ++c)
              acc[at] += static_cast<double>(x[((n * s.height + ih) * s.width + iw) * s.channels + c]) *
                         w[(k * s.channels + c) * 9 + tap];
          }
  return acc;
}

/// Calls f on random disjoint ranges that cover [0, count).
template <class F>
void in_ranges(Random& random, int64_t count, F f) {
  for (int64_t at = 0; at < count;) {
    const int64_t end = std::min<int64_t>(count, at + random.range(1, 7));
    f(at, end);
    at = end;
  }
}

TEST(Winograd, MatchesTheDefinitionForAnyShapeAndEpilogue) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradKernels* kernels = winograd_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 40; ++round) {
      const WinogradShape shape = random_shape(random);
      const ConvShape& s = shape.conv;
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(shape) + random.trace());
      const auto x = random.floats(static_cast<size_t>(s.batch * s.height * s.width * s.channels), -1, 1);
      const auto w = random.floats(static_cast<size_t>(s.out_channels * s.channels * 9), -1, 1);
      const auto acc = reference(s, x, w);
      const RandomEpilogue epilogue(random, s.out_channels, acc.size(), std::sqrt(static_cast<float>(s.channels)));
      const Epilogue& e = epilogue.e;
      auto aligned = [](size_t bytes) {
        return std::shared_ptr<void>(std::aligned_alloc(64, (bytes + 127) / 64 * 64), std::free);
      };
      auto packed = aligned(kernels->packed_bytes(shape));
      in_ranges(random, kernels->blocks(shape),
                [&](int64_t a, int64_t b) { kernels->pack(shape, w.data(), packed.get(), a, b); });
      const size_t size = e.out_type == DType::f32 ? 4 : 1;
      std::vector<uint8_t> y(acc.size() * size + 64, 0x5a);
      for (int64_t first = 0; first < shape.tiles();) {
        WinogradChunk chunk{first, std::min<int64_t>(shape.tiles() - first, random.range(1, 40)), nullptr, nullptr};
        auto source = aligned(kernels->source_floats(shape, chunk.count) * 4),
             product = aligned(kernels->product_floats(shape, chunk.count) * 4);
        chunk.source = static_cast<float*>(source.get()), chunk.product = static_cast<float*>(product.get());
        in_ranges(random, chunk.count,
                  [&](int64_t a, int64_t b) { kernels->transform(shape, x.data(), packed.get(), chunk, a, b); });
        in_ranges(random, kernels->blocks(shape) * shape.positions(),
                  [&](int64_t a, int64_t b) { kernels->multiply(shape, packed.get(), chunk, a, b); });
        in_ranges(random, chunk.count, [&](int64_t a, int64_t b) { kernels->finish(shape, chunk, e, y.data(), a, b); });
        first += chunk.count;
      }
      for (size_t i = 0; i < acc.size(); ++i) {
        const double wanted = epilogue_reference(e, acc[i], i % static_cast<size_t>(s.out_channels), i);
        ASSERT_TRUE(
            close_to(e.out_type, element(y.data(), e.out_type, i), wanted, e.out_inverse_scale, e.out_zero, 1e-4))
            << "element " << i << " is " << element(y.data(), e.out_type, i) << ", value " << wanted;
      }
      for (size_t i = acc.size() * size; i < y.size(); ++i) ASSERT_EQ(y[i], 0x5a) << "written behind the end";
    }
  }
}

}  // namespace
}  // namespace hone::kernels
