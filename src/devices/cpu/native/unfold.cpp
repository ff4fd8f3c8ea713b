#include "devices/cpu/native/unfold.hpp"

#include <cstring>

namespace hone::cpu {

bool Unfold::pays(const kernels::ConvShape& shape) {
  return shape.groups == 1 && shape.channels <= 4 && shape.taps() > 1 && shape.dilation_w == 1 && shape.dilation_h == 1;
}

Unfold::Unfold(const kernels::ConvShape& shape, size_t element, int zero, int64_t align)
    : shape_(shape), element_(element), zero_(zero), row_((shape.taps() * shape.channels + align - 1) / align * align) {}

kernels::ConvShape Unfold::matrix_shape() const {
  kernels::ConvShape matrix;
  matrix.channels = row_;
  matrix.height = matrix.out_height = 1;
  matrix.width = matrix.out_width = chunk;
  matrix.out_channels = shape_.out_channels;
  return matrix;
}

Tensor Unfold::weights(const Tensor& w) const {
  Tensor result = Tensor::zeros(w.dtype(), {shape_.out_channels, row_, 1, 1});
  size_t size = size_of(w.dtype());
  const char* in = static_cast<const char*>(w.raw());
  char* out = static_cast<char*>(result.mutable_raw());
  for (int64_t o = 0; o < shape_.out_channels; ++o)
    for (int64_t c = 0; c < shape_.channels; ++c)
      for (int64_t tap = 0; tap < shape_.taps(); ++tap)
        std::memcpy(out + static_cast<size_t>(o * row_ + tap * shape_.channels + c) * size,
                    in + static_cast<size_t>((o * shape_.channels + c) * shape_.taps() + tap) * size, size);
  return result;
}

size_t Unfold::scratch_bytes() const { return (static_cast<size_t>(chunk * row_) * element_ + 127) / 64 * 64; }

/// Line: bytes of one kernel row (kernel_w * channels elements), 0 when not known at compile time.
template <size_t Line>
void Unfold::fill_lines(const char* x, char* rows, int64_t begin, int64_t end) const {
  const kernels::ConvShape& s = shape_;
  const size_t pixel = static_cast<size_t>(s.channels) * element_, line = Line ? Line : pixel * static_cast<size_t>(s.kernel_w);
  const size_t row_bytes = static_cast<size_t>(row_) * element_, used = line * static_cast<size_t>(s.kernel_h);
  const int64_t per_image = s.out_height * s.out_width;
  int64_t n = begin / per_image, oh = begin % per_image / s.out_width, ow = begin % s.out_width;
  for (int64_t index = begin; index < end; ++index, rows += row_bytes) {
    const int64_t ih0 = oh * s.stride_h - s.pad_top, iw0 = ow * s.stride_w - s.pad_left;
    const bool inside = iw0 >= 0 && iw0 + s.kernel_w <= s.width;
    char* out = rows;
    for (int64_t kh = 0; kh < s.kernel_h; ++kh, out += line) {
      const int64_t ih = ih0 + kh;
      const char* in = x + static_cast<int64_t>(pixel) * ((n * s.height + ih) * s.width + iw0);
      if (ih < 0 || ih >= s.height) {
        std::memset(out, zero_, line);
      } else if (inside) {
        std::memcpy(out, in, line);
      } else {
        for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
          const bool outside = iw0 + kw < 0 || iw0 + kw >= s.width;
          char* to = out + static_cast<size_t>(kw) * pixel;
          if (outside) std::memset(to, zero_, pixel);
          else std::memcpy(to, in + static_cast<int64_t>(pixel) * kw, pixel);
        }
      }
    }
    for (size_t i = used; i < row_bytes; ++i) rows[i] = 0;
    if (++ow == s.out_width) {
      ow = 0;
      if (++oh == s.out_height) oh = 0, ++n;
    }
  }
}

void Unfold::fill(const void* x, void* rows, int64_t begin, int64_t end) const {
  const char* in = static_cast<const char*>(x);
  char* out = static_cast<char*>(rows);
  // The usual first layers: 3x3 and 7x7 of three channels, 8-bit and f32. Copies of known size need no call.
  switch (static_cast<size_t>(shape_.kernel_w * shape_.channels) * element_) {
    case 9: return fill_lines<9>(in, out, begin, end);
    case 21: return fill_lines<21>(in, out, begin, end);
    case 36: return fill_lines<36>(in, out, begin, end);
    case 84: return fill_lines<84>(in, out, begin, end);
    default: return fill_lines<0>(in, out, begin, end);
  }
}

}  // namespace hone::cpu
