#include "kernels/conv.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

ConvShape random_shape(Random& random, bool integer) {
  ConvShape s;
  s.batch = random.range(1, 2);
  s.groups = random.pick({1, 1, 1, 2, 3});
  s.channels = s.groups * (integer ? 4 * random.range(1, 12) : random.pick({1, 3, 8, 17, 28, 32, 70}));
  s.out_channels = s.groups * random.pick({1, 3, 5, 8, 10, 12, 16, 18, 24, 33, 40, 48, 65, 80, 100});
  s.kernel_h = random.pick({1, 1, 2, 3, 3, 5}), s.kernel_w = random.pick({1, 1, 3, 3, 4});
  s.stride_h = random.range(1, 3), s.stride_w = random.range(1, 2);
  s.dilation_h = random.range(1, 2), s.dilation_w = random.range(1, 3);
  s.pad_top = random.range(0, s.kernel_h), s.pad_left = random.range(0, s.kernel_w);
  int below = random.range(0, 2), right = random.range(0, 2);
  if (random.range(0, 4) == 0) {  // windows wider than the image: most taps read padding, for whole tiles at once
    s.dilation_h = random.range(4, 14), s.dilation_w = random.range(4, 14);
    below = s.pad_top = (s.kernel_h - 1) * s.dilation_h / 2 + random.range(0, 1);
    right = s.pad_left = (s.kernel_w - 1) * s.dilation_w / 2 + random.range(0, 1);
  }
  const int span_h = (s.kernel_h - 1) * s.dilation_h + 1, span_w = (s.kernel_w - 1) * s.dilation_w + 1;
  s.height = std::max<int64_t>(random.range(1, 14), span_h - s.pad_top - below);
  s.width = std::max<int64_t>(random.pick({random.range(1, 14), random.range(15, 50)}), span_w - s.pad_left - right);
  s.out_height = (s.height + s.pad_top + below - span_h) / s.stride_h + 1;
  s.out_width = (s.width + s.pad_left + right - span_w) / s.stride_w + 1;
  return s;
}

std::string describe(const ConvShape& s) {
  auto text = [](auto... v) { return ((std::to_string(v) + " ") + ...); };
  return text(s.batch, s.height, s.width, s.channels, s.out_channels) + "groups " + text(s.groups) + "k " +
         text(s.kernel_h, s.kernel_w) + "s " + text(s.stride_h, s.stride_w) + "d " + text(s.dilation_h, s.dilation_w) +
         "p " + text(s.pad_top, s.pad_left) + "out " + text(s.out_height, s.out_width);
}

/// The exact accumulators; x(i) and w(i) by element, padding counts as nothing.
template <class X, class W>
std::vector<double> reference(const ConvShape& s, X x, W w) {
  std::vector<double> acc(static_cast<size_t>(s.pixels() * s.out_channels));
  const int64_t depth = s.group_channels();
  size_t at = 0;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t oh = 0; oh < s.out_height; ++oh)
      for (int64_t ow = 0; ow < s.out_width; ++ow)
        for (int64_t k = 0; k < s.out_channels; ++k, ++at)
          for (int64_t tap = 0; tap < s.taps(); ++tap) {
            const int64_t ih = oh * s.stride_h - s.pad_top + tap / s.kernel_w * s.dilation_h;
            const int64_t iw = ow * s.stride_w - s.pad_left + tap % s.kernel_w * s.dilation_w;
            if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
            const int64_t first =
                ((n * s.height + ih) * s.width + iw) * s.channels + k / s.group_out_channels() * depth;
            for (int64_t c = 0; c < depth; ++c) acc[at] += x(first + c) * w((k * depth + c) * s.taps() + tap);
          }
  return acc;
}

std::shared_ptr<void> aligned(size_t bytes) { return {std::aligned_alloc(64, (bytes + 127) / 64 * 64), std::free}; }

/// Runs random disjoint ranges of pixels and blocks and checks every output.
template <class Run>
void check(const ConvShape& s, Random& random, const Epilogue& e, const std::vector<double>& acc, int64_t blocks,
           double tolerance, Run run) {
  const size_t size = e.out_type == DType::f32 ? 4 : 1;
  std::vector<uint8_t> y(static_cast<size_t>(s.pixels() * s.y_row()) * size + 64, 0x5a);
  for (int64_t pixel = 0; pixel < s.pixels();) {
    const int64_t end = std::min<int64_t>(s.pixels(), pixel + random.range(1, 60)),
                  cut = random.range(0, static_cast<int>(blocks));
    if (cut > 0) run(y.data(), ConvRange{pixel, end, 0, cut});
    if (cut < blocks) run(y.data(), ConvRange{pixel, end, cut, blocks});
    pixel = end;
  }
  const auto bytes = static_cast<int64_t>(size);
  y = side_by_side(y, s.pixels(), s.out_channels * bytes, s.y_row() * bytes);
  for (size_t i = 0; i < acc.size(); ++i) {
    const double wanted = epilogue_reference(e, acc[i], i % static_cast<size_t>(s.out_channels), i);
    ASSERT_TRUE(
        close_to(e.out_type, element(y.data(), e.out_type, i), wanted, e.out_inverse_scale, e.out_zero, tolerance))
        << "element " << i << " is " << element(y.data(), e.out_type, i) << ", value " << wanted;
  }
  for (size_t i = acc.size() * size; i < y.size(); ++i) ASSERT_EQ(y[i], 0x5a) << "written behind the end";
}

TEST(Conv, FloatMatchesTheDefinitionForAnyShapeAndEpilogue) {
  Random random;
  for (Isa isa : isas()) {
    const ConvF32Kernels* kernels = conv_f32_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 40; ++round) {
      ConvShape s = random_shape(random, false);
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(s) + random.trace());
      const auto x = random.floats(static_cast<size_t>(s.batch * s.height * s.width * s.channels), -1, 1);
      const auto w = random.floats(static_cast<size_t>(s.out_channels * s.group_channels() * s.taps()), -1, 1);
      const auto acc = reference(s, [&](int64_t i) { return static_cast<double>(x[static_cast<size_t>(i)]); },
                                 [&](int64_t i) { return w[static_cast<size_t>(i)]; });
      const RandomEpilogue epilogue(random, s.out_channels, acc.size(),
                                    std::sqrt(static_cast<float>(s.group_channels())));
      if (!epilogue.e.residual && random.range(0, 1)) s.out_row = s.out_channels + random.range(1, 40);
      const int64_t blocks = kernels->blocks(s);
      auto packed = aligned(kernels->packed_bytes(s));
      ASSERT_EQ(kernels->first_channel(s, 0), 0);
      ASSERT_EQ(kernels->first_channel(s, blocks), s.out_channels);
      for (int64_t block = blocks; block-- > 0;) {
        // A block reads the weights of its own channels only.
        const auto row = static_cast<std::ptrdiff_t>(s.group_channels() * s.taps());
        std::vector<float> own(w.size(), std::nanf(""));
        const auto begin = row * kernels->first_channel(s, block), end = row * kernels->first_channel(s, block + 1);
        std::copy(w.begin() + begin, w.begin() + end, own.begin() + begin);
        kernels->pack(s, own.data(), packed.get(), block, block + 1);
      }
      check(s, random, epilogue.e, acc, blocks, 3e-5, [&](void* y, const ConvRange& range) {
        kernels->run(s, x.data(), packed.get(), epilogue.e, y, range);
      });
    }
  }
}

TEST(Conv, IntegersAreExactForAnyShapeZeroPointAndEpilogue) {
  Random random;
  for (Isa isa : isas()) {
    const ConvInt8Kernels* kernels = conv_int8_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 60; ++round) {
      ConvShape s = random_shape(random, true);
      const DType type = random.pick({DType::u8, DType::i8});
      const int zero = type == DType::u8 ? random.pick({0, 128, 255, 77}) : random.pick({0, -128, 127, 5});
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(s) + name_of(type) + " " + random.trace());
      auto x = random.bytes(static_cast<size_t>(s.batch * s.height * s.width * s.channels));
      auto w = random.bytes(static_cast<size_t>(s.out_channels * s.group_channels() * s.taps()));
      // The largest products, where an instruction that saturates would be found out.
      if (random.range(0, 2) == 0)
        for (auto& v : x) v = type == DType::u8 ? 255 : 128;
      if (random.range(0, 2) == 0)
        for (auto& v : w) v = random.pick<uint8_t>({127, 128});
      const auto acc = reference(
          s, [&](int64_t i) { return byte_value(type, x[static_cast<size_t>(i)]) - static_cast<double>(zero); },
          [&](int64_t i) { return static_cast<int8_t>(w[static_cast<size_t>(i)]); });
      const float spread = 5e3f * std::sqrt(static_cast<float>(s.group_channels()));
      RandomEpilogue epilogue(random, s.out_channels, acc.size(), spread);
      epilogue.add_start(random, s.out_channels, spread);
      if (!epilogue.e.residual && random.range(0, 1)) s.out_row = s.out_channels + random.range(1, 40);
      const int64_t blocks = kernels->blocks(s);
      auto packed = aligned(kernels->packed_bytes(s));
      for (int64_t block = blocks; block-- > 0;)
        kernels->pack(s, reinterpret_cast<const int8_t*>(w.data()), type, zero, epilogue.e.start, packed.get(), block,
                      block + 1);
      check(s, random, epilogue.e, acc, blocks, 1e-5, [&](void* y, const ConvRange& range) {
        kernels->run(s, x.data(), type, packed.get(), epilogue.e, y, range);
      });
    }
  }
}

}  // namespace
}  // namespace hone::kernels
