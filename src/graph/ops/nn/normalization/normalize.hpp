#pragma once
#include <cmath>
#include <cstdint>

namespace hone::ops {

/// Mean and 1 / sqrt(variance + epsilon) of some numbers, summed in double.
struct Moments {
  double mean = 0, inverse_deviation = 0;
};

template <class T>
Moments moments(const T* x, int64_t count, float epsilon) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
  double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i)
    squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(count) + static_cast<double>(epsilon))};
}

}  // namespace hone::ops
