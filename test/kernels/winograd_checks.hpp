#pragma once
#include <memory>

#include "kernels/common.hpp"
#include "kernels/winograd.hpp"

/// What the tests of Winograd's kernels share.
namespace hone::kernels {

inline WinogradShape random_shape(Random& random) {
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

inline std::string describe(const WinogradShape& shape) {
  const ConvShape& s = shape.conv;
  auto text = [](auto... v) { return ((std::to_string(v) + " ") + ...); };
  return text(shape.tile, s.batch, s.height, s.width, s.channels, s.out_channels) + "d " + text(s.dilation_h) + "p " +
         text(s.pad_top, s.pad_left) + "out " + text(s.out_height, s.out_width);
}

inline std::shared_ptr<void> aligned(size_t bytes) {
  return {std::aligned_alloc(64, (bytes + 127) / 64 * 64), std::free};
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

/// All tiles in chunks of random sizes, each step in random shares: `transform(chunk, begin, end)` is the first.
template <class Transform>
std::vector<uint8_t> run_in_chunks(const WinogradSteps& steps, const WinogradShape& shape, const void* packed,
                                   const Epilogue& e, Random& random, Transform transform) {
  const size_t size = e.out_type == DType::f32 ? 4 : 1;
  std::vector<uint8_t> y(static_cast<size_t>(shape.conv.pixels() * shape.conv.y_row()) * size + 64, 0x5a);
  for (int64_t first = 0; first < shape.tiles();) {
    WinogradChunk chunk{first, std::min<int64_t>(shape.tiles() - first, random.range(1, 40)), nullptr, nullptr};
    auto source = aligned(steps.source_bytes(shape, chunk.count)),
         product = aligned(steps.product_bytes(shape, chunk.count));
    chunk.source = source.get(), chunk.product = product.get();
    in_ranges(random, chunk.count, [&](int64_t a, int64_t b) { transform(chunk, a, b); });
    in_ranges(random, steps.blocks(shape) * shape.positions(),
              [&](int64_t a, int64_t b) { steps.multiply(shape, packed, chunk, a, b); });
    in_ranges(random, chunk.count, [&](int64_t a, int64_t b) { steps.finish(shape, chunk, e, y.data(), a, b); });
    first += chunk.count;
  }
  const auto bytes = static_cast<int64_t>(size);
  return side_by_side(y, shape.conv.pixels(), shape.conv.out_channels * bytes, shape.conv.y_row() * bytes);
}

/// Asserts that `y`, of run_in_chunks(), is the epilogue of the sums `acc` and nothing behind it.
inline void expect_epilogue(const std::vector<uint8_t>& y, const std::vector<double>& acc, const Epilogue& e,
                            int64_t channels, double relative) {
  for (size_t i = 0; i < acc.size(); ++i) {
    const double wanted = epilogue_reference(e, acc[i], i % static_cast<size_t>(channels), i);
    ASSERT_TRUE(
        close_to(e.out_type, element(y.data(), e.out_type, i), wanted, e.out_inverse_scale, e.out_zero, relative))
        << "element " << i << " is " << element(y.data(), e.out_type, i) << ", value " << wanted;
  }
  for (size_t i = acc.size() * (e.out_type == DType::f32 ? 4 : 1); i < y.size(); ++i)
    ASSERT_EQ(y[i], 0x5a) << "written behind the end";
}

}  // namespace hone::kernels
