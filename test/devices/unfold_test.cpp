#include "devices/cpu/native/unfold.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "graph_checks.hpp"

namespace hone::cpu {
namespace {

using testing_tools::Random;

/// What a row must hold for the tap (kh, kw) of an output pixel: an input element, or the zero point outside.
uint8_t expected(const kernels::ConvShape& s, const std::vector<uint8_t>& x, uint8_t zero, int64_t n, int64_t ih,
                 int64_t iw, int64_t channel) {
  if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) return zero;
  return x[static_cast<size_t>(((n * s.height + ih) * s.width + iw) * s.channels + channel)];
}

void check_rows(const kernels::ConvShape& s, const std::vector<uint8_t>& x, uint8_t zero,
                const std::vector<uint8_t>& rows, int64_t row, int64_t begin, int64_t end) {
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t n = pixel / (s.out_height * s.out_width), oh = pixel / s.out_width % s.out_height,
                  ow = pixel % s.out_width;
    const uint8_t* at = rows.data() + (pixel - begin) * row;
    int64_t i = 0;
    for (int kh = 0; kh < s.kernel_h; ++kh)
      for (int kw = 0; kw < s.kernel_w; ++kw)
        for (int64_t c = 0; c < s.channels; ++c, ++i)
          ASSERT_EQ(at[i], expected(s, x, zero, n, oh * s.stride_h - s.pad_top + kh, ow * s.stride_w - s.pad_left + kw, c))
              << "pixel " << pixel << " tap " << kh << "," << kw << " channel " << c;
    for (; i < row; ++i) ASSERT_EQ(at[i], 0);
  }
}

TEST(Unfold, RowsHoldTheWindowOfEachPixel) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    kernels::ConvShape s;
    s.batch = random.integer(1, 2), s.channels = random.integer(1, 4);
    s.kernel_h = static_cast<int>(random.integer(1, 7)), s.kernel_w = static_cast<int>(random.integer(2, 7));
    s.stride_h = static_cast<int>(random.integer(1, 3)), s.stride_w = static_cast<int>(random.integer(1, 3));
    s.height = random.integer(1, 12), s.width = random.integer(1, 12);
    s.pad_top = static_cast<int>(random.integer(0, 6)), s.pad_left = static_cast<int>(random.integer(0, 6));
    s.out_height = random.integer(1, 9), s.out_width = random.integer(1, 9), s.out_channels = 8;
    SCOPED_TRACE(fmt::format("seed {}: {}x{}x{} window {}x{} stride {}x{} pad {}x{}", seed, s.height, s.width,
                             s.channels, s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.pad_top, s.pad_left));
    std::vector<uint8_t> x(static_cast<size_t>(s.batch * s.height * s.width * s.channels));
    for (uint8_t& value : x) value = static_cast<uint8_t>(random.integer(0, 255));
    const auto zero = static_cast<uint8_t>(random.integer(0, 255));
    const Unfold unfold(s, 1, zero, 4);
    const int64_t row = unfold.matrix_shape().channels, end = std::min(unfold.pixels(), Unfold::chunk),
                  begin = random.integer(0, end - 1);
    std::vector<uint8_t> rows(static_cast<size_t>(row * (end - begin)), 77);
    unfold.fill(x.data(), rows.data(), begin, end);
    ASSERT_NO_FATAL_FAILURE(check_rows(s, x, zero, rows, row, begin, end));
  }
}

}  // namespace
}  // namespace hone::cpu
