#pragma once
#include "kernels/conv.hpp"
#include "tensor/tensor.hpp"

namespace hone::cpu {

/// Few input channels (the first layer) would leave an 8-bit convolution kernel with more bookkeeping than arithmetic:
/// the input of each output pixel is copied into one row [kernel_h * kernel_w * channels] instead, and the layer is a
/// matrix product.
class Unfold {
 public:
  static constexpr int64_t chunk = 240;  ///< output pixels unfolded at a time
  static bool pays(const kernels::ConvShape& shape);

  /// `element`: bytes of an input element, `zero`: what padding holds, `align`: rows are padded to a multiple of it.
  Unfold(const kernels::ConvShape& shape, size_t element, int zero, int64_t align);
  kernels::ConvShape matrix_shape() const;  ///< of one chunk, as a 1x1 convolution
  Tensor weights(const Tensor& w) const;    ///< [out_channels, row] from [out_channels, channels, kernel_h, kernel_w]
  int64_t pixels() const { return shape_.pixels(); }
  size_t scratch_bytes() const;
  /// Rows of output pixels [begin, end).
  void fill(const void* x, void* rows, int64_t begin, int64_t end) const;

 private:
  template <size_t Line>
  void fill_line(const char* in, char* out, int64_t from, int64_t to, size_t line) const;
  template <size_t Line>
  void fill_lines(const char* x, char* rows, int64_t begin, int64_t end) const;
  kernels::ConvShape shape_;
  size_t element_;
  int zero_;
  int64_t row_;
};

}  // namespace hone::cpu
