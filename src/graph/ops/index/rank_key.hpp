#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace hone::ops {

/// A number whose order is that of the elements (types of up to 32 bits): rising, or falling with `largest`. NaN counts
/// as the largest; -0 and 0 are equal.
template <class T>
uint64_t rank_key(T value, bool largest) {
  uint32_t bits;
  if constexpr (std::is_integral_v<T>) {
    static_assert(sizeof(T) <= 4);
    bits = static_cast<uint32_t>(static_cast<int64_t>(value) - std::numeric_limits<T>::lowest());
  } else {
    float number = static_cast<float>(value) + 0.0f;
    bits = std::bit_cast<uint32_t>(number);
    bits = std::isnan(number) ? UINT32_MAX : bits >> 31 ? ~bits : bits | 0x80000000u;
  }
  return largest ? UINT32_MAX - bits : bits;
}

}  // namespace hone::ops
