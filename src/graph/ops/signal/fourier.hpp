#pragma once
#include <complex>
#include <cstdint>
#include <vector>

namespace hone::ops {

/// The discrete Fourier transform of one length, in double: Cooley and Tukey's for powers of two, Bluestein's (a
/// convolution with a chirp, by transforms of a power of two) for all others; n log n in both cases.
class Fourier {
 public:
  using Complex = std::complex<double>;
  /// Inverse: with the opposite sign of the exponent, divided by `size`.
  Fourier(int64_t size, bool inverse);
  void transform(std::vector<Complex>& x);  ///< in place; x has `size` elements

 private:
  void bluestein(std::vector<Complex>& x);
  size_t size_;
  bool inverse_;
  std::vector<Complex> twiddles_;                  ///< of the power of two in use
  std::vector<Complex> chirp_, filter_, scratch_;  ///< Bluestein's
};

}  // namespace hone::ops
