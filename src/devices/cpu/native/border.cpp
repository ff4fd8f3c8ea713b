#include "devices/cpu/native/border.hpp"

#include <algorithm>
#include <cstring>

namespace hone::cpu {

namespace {
/// Input pixels that the windows of `out` output pixels span.
int64_t spanned(int64_t out, int stride, int kernel, int dilation) {
  return (out - 1) * stride + (kernel - 1) * dilation + 1;
}
}  // namespace

bool Border::pays(const kernels::ConvShape& s, size_t element) {
  constexpr int64_t first_level_cache = 48 * 1024, several_tiles = 16;
  const bool padded = s.pad_top > 0 || s.pad_left > 0;
  return padded && s.out_width >= several_tiles &&
         s.height * s.width * s.channels * static_cast<int64_t>(element) <= first_level_cache;
}

Border::Border(const kernels::ConvShape& shape, size_t element, int zero)
    : shape_(shape), bordered_(shape), element_(element), zero_(zero) {
  bordered_.height = std::max(shape.pad_top + shape.height,
                              spanned(shape.out_height, shape.stride_h, shape.kernel_h, shape.dilation_h));
  bordered_.width = std::max(shape.pad_left + shape.width,
                             spanned(shape.out_width, shape.stride_w, shape.kernel_w, shape.dilation_w));
  bordered_.pad_top = bordered_.pad_left = 0;
}

void Border::fill(const void* x, void* image, int64_t begin, int64_t end) const {
  const size_t pixel = static_cast<size_t>(shape_.channels) * element_;
  const size_t row = static_cast<size_t>(shape_.width) * pixel,
               bordered_row = static_cast<size_t>(bordered_.width) * pixel;
  const size_t left = static_cast<size_t>(shape_.pad_left) * pixel;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t n = i / bordered_.height, ih = i % bordered_.height - shape_.pad_top;
    char* to = static_cast<char*>(image) + static_cast<size_t>(i) * bordered_row;
    if (ih < 0 || ih >= shape_.height) {
      std::memset(to, zero_, bordered_row);
      continue;
    }
    std::memset(to, zero_, left);
    std::memcpy(to + left, static_cast<const char*>(x) + static_cast<size_t>(n * shape_.height + ih) * row, row);
    std::memset(to + left + row, zero_, bordered_row - left - row);
  }
}

}  // namespace hone::cpu
