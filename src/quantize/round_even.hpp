#pragma once

namespace hone {

/// The nearest whole number, of two the even one; for |x| up to 2^22. What std::nearbyint gives, but without a call, so
/// that loops become vector instructions.
inline float round_even(float x) {
  constexpr float large = 12582912;  // 1.5 * 2^23: floats from here on are whole numbers
  return (x + large) - large;
}

}  // namespace hone
