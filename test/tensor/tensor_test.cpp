#include "tensor/tensor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.hpp"

namespace hone {
namespace {

TEST(Half, RoundTripsEveryFiniteValue) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<uint16_t>(bits);
    float value = half;
    if (std::isnan(value)) continue;
    EXPECT_EQ(Half(value).bits, half.bits) << bits;
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float(Half(2049.0f)), 2048.0f);
  EXPECT_EQ(float(Half(2051.0f)), 2052.0f);
  EXPECT_EQ(float(Half(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(float(Half(65520.0f))));
  EXPECT_EQ(float(BFloat16(1.00390625f)), 1.0f);
}

TEST(Tensor, MemoryAtOddAddressesIsReadAsUsual) {
  // As weights lie in a file: behind a header of any length.
  auto bytes = std::make_shared<std::vector<char>>(4 * sizeof(float) + 1);
  const std::vector<float> values{1.5f, -2, 3, 4};
  std::memcpy(bytes->data() + 1, values.data(), values.size() * sizeof(float));
  const Tensor loose(DType::f32, {2, 2}, bytes->data() + 1, bytes->size() - 1, bytes);
  EXPECT_FALSE(loose.at_hand());
  EXPECT_EQ(loose.address(), bytes->data() + 1);
  float two[2] = {};
  loose.read_bytes(sizeof(float), sizeof(two), two);
  EXPECT_EQ(two[0], -2);
  EXPECT_EQ(two[1], 3);
  const Tensor shared = loose.reshaped({4});
  EXPECT_EQ(shared.to_floats(), values);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(loose.raw()) % 64, 0u);
  EXPECT_EQ(loose.raw(), shared.raw());  // one copy for all
  EXPECT_TRUE(identical(loose.clone(), Tensor::of<float>({2, 2}, values)));
  EXPECT_EQ(loose.cast(DType::i32).to_ints(), (std::vector<int64_t>{1, -2, 3, 4}));
  EXPECT_TRUE(Tensor::of<float>({2, 2}, values).at_hand());
}

TEST(Tensor, CastSaturates) {
  Tensor x = Tensor::of<float>({4}, {-300.f, 1.9f, 300.f, NAN});
  EXPECT_EQ(x.cast(DType::u8).to_ints(), (std::vector<int64_t>{0, 1, 255, 0}));
  EXPECT_EQ(x.cast(DType::i8).to_ints(), (std::vector<int64_t>{-128, 1, 127, 0}));
}

TEST(Tensor, RefusesBadSizes) {
  EXPECT_THROW(Tensor(DType::f32, {-1}), Error);
  EXPECT_THROW(Tensor(DType::f32, {int64_t{1} << 40, int64_t{1} << 40}), Error);
  float one = 1;
  EXPECT_THROW(Tensor(DType::f32, {2}, &one, 4, nullptr), Error);
  EXPECT_THROW(Tensor::scalar(1.f).data<int32_t>(), Error);
  EXPECT_THROW(Tensor::scalar(1.f).reshaped({2}), Error);
}

TEST(Shape, MatchesSymbols) {
  Shape shape{Dim::named("N"), 3, Dim::named("N")};
  EXPECT_TRUE(matches(shape, {2, 3, 2}));
  EXPECT_FALSE(matches(shape, {2, 3, 4}));
  EXPECT_FALSE(matches(shape, {2, 4, 2}));
  EXPECT_EQ(to_string(shape), "[N, 3, N]");
  EXPECT_EQ(broadcast({2, 1, 3}, {4, 1}), (Dims{2, 4, 3}));
  EXPECT_FALSE(broadcast({2, 3}, {4}));
}

}  // namespace
}  // namespace hone
