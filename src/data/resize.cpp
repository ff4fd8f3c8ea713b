#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "data/image.hpp"

namespace hone {

namespace {

/// The linear filter of one direction: output i is the sum of weight[i * taps + k] * input[index[i * taps + k]].
struct Filter {
  int64_t taps = 0;
  std::vector<int64_t> index;
  std::vector<float> weight;
};

/// Where the image shrinks the triangle is stretched over all the pixels that fall into one; positions past the edge
/// count as the edge. The same numbers as ONNX Resize (mode linear, half_pixel, antialias), which shipped models hold.
Filter linear_filter(int64_t input, int64_t output) {
  double scale = static_cast<double>(output) / static_cast<double>(input), stretch = std::min(scale, 1.0);
  auto reach = static_cast<int64_t>(std::ceil(1 / stretch));
  Filter filter{2 * reach, {}, {}};
  for (int64_t i = 0; i < output; ++i) {
    double position = (static_cast<double>(i) + 0.5) / scale - 0.5, total = 0;
    auto base = static_cast<int64_t>(std::floor(position));
    size_t first = filter.weight.size();
    for (int64_t at = base + 1 - reach; at <= base + reach; ++at) {
      double weight = std::max(0.0, 1 - std::abs(static_cast<double>(at) - position) * stretch);
      filter.index.push_back(std::clamp<int64_t>(at, 0, input - 1));
      filter.weight.push_back(static_cast<float>(weight));
      total += weight;
    }
    for (size_t k = first; k < filter.weight.size(); ++k) filter.weight[k] /= static_cast<float>(total);
  }
  return filter;
}

/// One row of RGB pixels to `width` of them.
void resize_row(const uint8_t* row, const Filter& filter, int64_t width, float* out) {
  for (int64_t x = 0; x < width; ++x) {
    float sum[3] = {0, 0, 0};
    for (int64_t k = x * filter.taps; k < (x + 1) * filter.taps; ++k) {
      const uint8_t* pixel = row + 3 * filter.index[static_cast<size_t>(k)];
      float weight = filter.weight[static_cast<size_t>(k)];
      for (int c = 0; c < 3; ++c) sum[c] += weight * static_cast<float>(pixel[c]);
    }
    std::copy_n(sum, 3, out + 3 * x);
  }
}

}  // namespace

Tensor resize_image(const Tensor& image, int height, int width) {
  require_image(image, "resize");
  if (height < 1 || width < 1)
    throw Error("resize", fmt::format("expected a size of at least 1x1, got {}x{}", width, height));
  int64_t rows = image.dim(0), columns = image.dim(1);
  if (rows == height && columns == width) return image;
  Filter across = linear_filter(columns, width), down = linear_filter(rows, height);
  auto row_size = static_cast<size_t>(width) * 3;
  std::vector<float> narrow(static_cast<size_t>(rows) * row_size), sum(row_size);
  const uint8_t* source = image.data<uint8_t>().data();
  for (int64_t y = 0; y < rows; ++y)
    resize_row(source + y * columns * 3, across, width, narrow.data() + static_cast<size_t>(y) * row_size);
  Tensor result = Tensor(DType::u8, {height, width, 3});
  uint8_t* out = result.mutable_data<uint8_t>().data();
  for (int64_t y = 0; y < height; ++y, out += row_size) {
    std::fill(sum.begin(), sum.end(), 0.5f);
    for (int64_t k = y * down.taps; k < (y + 1) * down.taps; ++k) {
      float weight = down.weight[static_cast<size_t>(k)];
      const float* row = narrow.data() + static_cast<size_t>(down.index[static_cast<size_t>(k)]) * row_size;
      for (size_t i = 0; i < row_size; ++i) sum[i] += weight * row[i];
    }
    for (size_t i = 0; i < row_size; ++i) out[i] = static_cast<uint8_t>(std::clamp(sum[i], 0.0f, 255.0f));
  }
  return result;
}

}  // namespace hone
