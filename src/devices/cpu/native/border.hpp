#pragma once
#include "kernels/conv.hpp"

namespace hone::cpu {

/// A small image is copied with its padding around it: no window then reaches outside, which the kernels read faster
/// than the copy takes.
class Border {
 public:
  /// `element`: bytes of an input element.
  static bool pays(const kernels::ConvShape& shape, size_t element);

  /// `zero`: what padding holds.
  Border(const kernels::ConvShape& shape, size_t element, int zero);
  kernels::ConvShape bordered_shape() const { return bordered_; }  ///< the same layer without padding
  size_t scratch_bytes() const { return bytes_of(bordered_); }
  int64_t rows() const { return bordered_.batch * bordered_.height; }
  /// Rows [begin, end) of the bordered images.
  void fill(const void* x, void* image, int64_t begin, int64_t end) const;

 private:
  size_t bytes_of(const kernels::ConvShape& shape) const {
    return static_cast<size_t>(shape.batch * shape.height * shape.width * shape.channels) * element_;
  }
  kernels::ConvShape shape_, bordered_;
  size_t element_;
  int zero_;
};

}  // namespace hone::cpu
