#include "devices/cpu/native/unfold.hpp"

#include <algorithm>
#include <cstring>

namespace hone::cpu {

bool Unfold::pays(const kernels::ConvShape& shape) {
  return shape.groups == 1 && shape.channels <= 4 && shape.taps() > 1 && shape.dilation_w == 1 && shape.dilation_h == 1;
}

Unfold::Unfold(const kernels::ConvShape& shape, size_t element, int zero, int64_t align)
    : shape_(shape),
      element_(element),
      zero_(zero),
      row_((shape.taps() * shape.channels + align - 1) / align * align) {}

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

/// One kernel row of output columns [from, to) of one output row. Line: its bytes (kernel_w * channels elements), 0
/// when not known at compile time; then `line` says it. `in` is the image's row, or null when it lies outside.
template <size_t Line>
void Unfold::fill_line(const char* in, char* out, int64_t from, int64_t to, size_t line) const {
  const kernels::ConvShape& s = shape_;
  const int64_t pixel = s.channels * static_cast<int64_t>(element_), row = row_ * static_cast<int64_t>(element_);
  if (Line) line = Line;
  // Columns whose window lies inside of the image.
  const int64_t first = std::clamp<int64_t>((s.pad_left + s.stride_w - 1) / s.stride_w, from, to);
  const int64_t room = s.width + s.pad_left - s.kernel_w;
  const int64_t last = in && room >= 0 ? std::clamp<int64_t>(room / s.stride_w + 1, first, to) : first;
  auto border = [&](int64_t ow) {
    char* target = out + (ow - from) * row;
    std::memset(target, zero_, Line ? Line : line);
    if (!in) return;
    // The taps that lie inside.
    const int64_t left = ow * s.stride_w - s.pad_left, begin = std::max<int64_t>(-left, 0) * pixel,
                  end = std::min<int64_t>(s.width - left, s.kernel_w) * pixel;
    for (int64_t i = begin; i < end; ++i) target[i] = in[left * pixel + i];
  };
  for (int64_t ow = from; ow < first; ++ow) border(ow);
  const char* source = in ? in + (first * s.stride_w - s.pad_left) * pixel : nullptr;
  char* target = out + (first - from) * row;
  const int64_t step = s.stride_w * pixel;
  for (int64_t ow = first; ow < last; ++ow, source += step, target += row)
    std::memcpy(target, source, Line ? Line : line);
  for (int64_t ow = last; ow < to; ++ow) border(ow);
}

template <size_t Line>
void Unfold::fill_lines(const char* x, char* rows, int64_t begin, int64_t end) const {
  const kernels::ConvShape& s = shape_;
  const int64_t pixel = s.channels * static_cast<int64_t>(element_), row = row_ * static_cast<int64_t>(element_);
  const int64_t line = pixel * s.kernel_w, used = line * s.kernel_h, per_image = s.out_height * s.out_width;
  while (begin < end) {
    const int64_t n = begin / per_image, oh = begin % per_image / s.out_width, from = begin % s.out_width;
    const int64_t to = std::min(s.out_width, from + end - begin);
    for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
      const int64_t ih = oh * s.stride_h - s.pad_top + kh;
      const char* in = ih < 0 || ih >= s.height ? nullptr : x + (n * s.height + ih) * s.width * pixel;
      fill_line<Line>(in, rows + kh * line, from, to, static_cast<size_t>(line));
    }
    for (int64_t i = 0; used < row && i < to - from; ++i)
      std::memset(rows + i * row + used, 0, static_cast<size_t>(row - used));
    rows += (to - from) * row;
    begin += to - from;
  }
}

void Unfold::fill(const void* x, void* rows, int64_t begin, int64_t end) const {
  const char* in = static_cast<const char*>(x);
  char* out = static_cast<char*>(rows);
  // The usual first layers: 3x3, 5x5 and 7x7 of one, three or four channels. Copies of known size need no call.
  switch (static_cast<size_t>(shape_.kernel_w * shape_.channels) * element_) {
    case 3: return fill_lines<3>(in, out, begin, end);
    case 5: return fill_lines<5>(in, out, begin, end);
    case 7: return fill_lines<7>(in, out, begin, end);
    case 9: return fill_lines<9>(in, out, begin, end);
    case 12: return fill_lines<12>(in, out, begin, end);
    case 15: return fill_lines<15>(in, out, begin, end);
    case 20: return fill_lines<20>(in, out, begin, end);
    case 21: return fill_lines<21>(in, out, begin, end);
    default: return fill_lines<0>(in, out, begin, end);
  }
}

}  // namespace hone::cpu
