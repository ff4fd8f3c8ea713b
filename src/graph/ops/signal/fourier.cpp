#include "graph/ops/signal/fourier.hpp"

#include <cmath>

namespace hone::ops {

namespace {

using Complex = Fourier::Complex;

std::vector<Complex> make_twiddles(size_t size) {
  std::vector<Complex> twiddles(size / 2);
  for (size_t k = 0; k < twiddles.size(); ++k)
    twiddles[k] = std::polar(1.0, -2 * M_PI * static_cast<double>(k) / static_cast<double>(size));
  return twiddles;
}

/// Forward transform; the size is a power of two.
void power_of_two(std::vector<Complex>& x, const std::vector<Complex>& twiddles) {
  size_t size = x.size();
  for (size_t i = 1, j = 0; i < size; ++i) {
    size_t bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (size_t length = 2; length <= size; length *= 2) {
    size_t half = length / 2, step = size / length;
    for (size_t begin = 0; begin < size; begin += length)
      for (size_t k = 0; k < half; ++k) {
        Complex odd = x[begin + half + k] * twiddles[k * step];
        x[begin + half + k] = x[begin + k] - odd;
        x[begin + k] += odd;
      }
  }
}

}  // namespace

Fourier::Fourier(int64_t size, bool inverse) : size_(static_cast<size_t>(size)), inverse_(inverse) {
  bool simple = (size_ & (size_ - 1)) == 0;
  size_t padded = 1;
  while (padded < (simple ? size_ : 2 * size_ - 1)) padded *= 2;
  twiddles_ = make_twiddles(padded);
  if (simple) return;
  chirp_.resize(size_);
  filter_.assign(padded, 0);
  for (size_t k = 0; k < size_; ++k) {
    // k^2 modulo 2 size keeps the angle small and exact.
    double square = static_cast<double>(k * k % (2 * size_));
    chirp_[k] = std::polar(1.0, -M_PI * square / static_cast<double>(size_));
    filter_[k] = std::conj(chirp_[k]);
    if (k > 0) filter_[padded - k] = filter_[k];
  }
  power_of_two(filter_, twiddles_);
  scratch_.resize(padded);
}

void Fourier::bluestein(std::vector<Complex>& x) {
  std::fill(scratch_.begin(), scratch_.end(), Complex(0));
  for (size_t k = 0; k < size_; ++k) scratch_[k] = x[k] * chirp_[k];
  power_of_two(scratch_, twiddles_);
  // The inverse transform of the product, as the conjugate of a forward one.
  for (size_t k = 0; k < scratch_.size(); ++k) scratch_[k] = std::conj(scratch_[k] * filter_[k]);
  power_of_two(scratch_, twiddles_);
  for (size_t k = 0; k < size_; ++k) x[k] = std::conj(scratch_[k]) / static_cast<double>(scratch_.size()) * chirp_[k];
}

void Fourier::transform(std::vector<Complex>& x) {
  if (inverse_)
    for (Complex& value : x) value = std::conj(value);
  if (chirp_.empty())
    power_of_two(x, twiddles_);
  else
    bluestein(x);
  if (inverse_)
    for (Complex& value : x) value = std::conj(value) / static_cast<double>(size_);
}

}  // namespace hone::ops
