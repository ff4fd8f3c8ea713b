#include "kernels/winograd.hpp"

#include "kernels/winograd_checks.hpp"

namespace hone::kernels {
namespace {

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

TEST(Winograd, MatchesTheDefinitionForAnyShapeAndEpilogue) {
  Random random;
  for (Isa isa : isas()) {
    const WinogradKernels* kernels = winograd_kernels(isa);
    if (!kernels) continue;
    for (int round = 0; round < 40; ++round) {
      WinogradShape shape = random_shape(random);
      ConvShape& s = shape.conv;
      SCOPED_TRACE(std::string(name_of(isa)) + " " + describe(shape) + random.trace());
      const auto x = random.floats(static_cast<size_t>(s.batch * s.height * s.width * s.channels), -1, 1);
      const auto w = random.floats(static_cast<size_t>(s.out_channels * s.channels * 9), -1, 1);
      const auto acc = reference(s, x, w);
      const RandomEpilogue epilogue(random, s.out_channels, acc.size(), std::sqrt(static_cast<float>(s.channels)));
      if (!epilogue.e.residual && random.range(0, 1)) s.out_row = s.out_channels + random.range(1, 40);
      auto packed = aligned(kernels->packed_bytes(shape));
      ASSERT_EQ(kernels->first_channel(shape, kernels->blocks(shape)), s.out_channels);
      in_ranges(random, kernels->blocks(shape), [&](int64_t begin, int64_t end) {
        // Blocks read the weights of their own channels only.
        std::vector<float> own(w.size(), std::nanf(""));
        const auto from = 9 * s.channels * kernels->first_channel(shape, begin),
                   to = 9 * s.channels * kernels->first_channel(shape, end);
        std::copy(w.begin() + from, w.begin() + to, own.begin() + from);
        kernels->pack(shape, own.data(), packed.get(), begin, end);
      });
      const auto y = run_in_chunks(*kernels, shape, packed.get(), epilogue.e, random,
                                   [&](const WinogradChunk& chunk, int64_t begin, int64_t end) {
                                     kernels->transform(shape, x.data(), packed.get(), chunk, begin, end);
                                   });
      ASSERT_NO_FATAL_FAILURE(expect_epilogue(y, acc, epilogue.e, s.out_channels, 1e-4));
    }
  }
}

}  // namespace
}  // namespace hone::kernels
