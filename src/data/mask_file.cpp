#include "data/mask_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/image_cv.hpp"
#include "data/image_header.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
struct PngKind {
  int bits = 8;
  int color = 0;                                ///< PNG color type: 0 gray, 2 RGB, 3 palette, 4 and 6 with alpha
  std::vector<std::array<uint8_t, 3>> palette;
};

/// What decoders hide: the bits of a value, and the palette. nullopt for other files.
std::optional<PngKind> png_kind(std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  if (bytes.size() < 33 || std::memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0) return std::nullopt;
  PngKind kind{data[24], data[25], {}};
  for (size_t at = 8; at + 12 <= bytes.size();) {
    size_t length = size_t{data[at]} << 24 | size_t{data[at + 1]} << 16 | size_t{data[at + 2]} << 8 | data[at + 3];
    if (length > bytes.size() - at - 12) break;
    if (std::memcmp(data + at + 4, "PLTE", 4) == 0)
      for (size_t i = 0; i + 2 < length; i += 3)
        kind.palette.push_back({data[at + 8 + i], data[at + 9 + i], data[at + 10 + i]});
    if (std::memcmp(data + at + 4, "IDAT", 4) == 0) break;
    at += length + 12;
  }
  return kind;
}

uint32_t packed(uint8_t r, uint8_t g, uint8_t b) { return uint32_t{r} << 16 | uint32_t{g} << 8 | b; }

Tensor palette_indices(const Tensor& rgb, const PngKind& kind) {
  std::unordered_map<uint32_t, uint8_t> index;
  for (size_t i = 0; i < kind.palette.size() && i < 256; ++i)
    index.emplace(packed(kind.palette[i][0], kind.palette[i][1], kind.palette[i][2]), static_cast<uint8_t>(i));
  Tensor values(DType::u8, {rgb.dim(0), rgb.dim(1)});
  auto in = rgb.data<uint8_t>();
  auto out = values.mutable_data<uint8_t>();
  for (size_t i = 0; i < out.size(); ++i) {
    auto found = index.find(packed(in[3 * i], in[3 * i + 1], in[3 * i + 2]));
    out[i] = found == index.end() ? mask_ignore : found->second;
  }
  return values;
}

/// 16-bit gray, whose values are not to be shortened to their upper half.
Tensor read_wide(std::span<const std::byte> bytes, const std::string& place) {
  cv::Mat source(1, static_cast<int>(bytes.size()), CV_8U, const_cast<std::byte*>(bytes.data()));
  cv::Mat pixels = cv::imdecode(source, cv::IMREAD_UNCHANGED);
  if (pixels.empty() || pixels.type() != CV_16UC1) throw Error(place, "is no mask of one channel");
  Tensor values(DType::u8, {pixels.rows, pixels.cols});
  auto out = values.mutable_data<uint8_t>();
  for (int y = 0; y < pixels.rows; ++y)
    for (int x = 0; x < pixels.cols; ++x) {
      uint16_t value = pixels.at<uint16_t>(y, x);
      if (value > 255 && value != 65535)
        throw Error(place, fmt::format("has the value {}, at most 255 are read", value));
      out[static_cast<size_t>(y) * static_cast<size_t>(pixels.cols) + static_cast<size_t>(x)] =
          static_cast<uint8_t>(std::min<int>(value, 255));
    }
  return values;
}
}  // namespace

Tensor read_mask_values(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  std::string place = quoted(path);
  std::optional<PngKind> png = png_kind(file->bytes());
  Tensor rgb = decode_image(file->bytes(), place);
  if (png && png->color == 0 && png->bits == 16) return read_wide(file->bytes(), place);
  if (png && png->color == 3) return palette_indices(rgb, *png);
  auto in = rgb.data<uint8_t>();
  Tensor values(DType::u8, {rgb.dim(0), rgb.dim(1)});
  auto out = values.mutable_data<uint8_t>();
  int stretch = png && png->color == 0 && png->bits < 8 ? 255 / ((1 << png->bits) - 1) : 1;
  for (size_t i = 0; i < out.size(); ++i) {
    if (in[3 * i] != in[3 * i + 1] || in[3 * i] != in[3 * i + 2]) return rgb;
    out[i] = static_cast<uint8_t>(in[3 * i] / stretch);
  }
  return values;
}

Tensor read_mask(const std::filesystem::path& path, const MaskCoding& coding) {
  Tensor values = read_mask_values(path);
  if (coding.colors.empty()) {
    if (values.rank() != 2)
      throw Error(quoted(path), "is a mask in colors, expected class numbers as gray values or a palette");
    for (uint8_t& value : values.mutable_data<uint8_t>()) value = coding.class_of[value];
    return values;
  }
  std::unordered_map<uint32_t, uint8_t> index;
  for (size_t i = 0; i < coding.colors.size(); ++i)
    index.emplace(packed(coding.colors[i][0], coding.colors[i][1], coding.colors[i][2]), coding.class_of[i]);
  Tensor classes(DType::u8, {values.dim(0), values.dim(1)});
  auto in = values.data<uint8_t>();
  auto out = classes.mutable_data<uint8_t>();
  size_t step = values.rank() == 3 ? 3 : 1;  // a colored mask may be all black
  for (size_t i = 0; i < out.size(); ++i) {
    const uint8_t* p = &in[i * step];
    auto found = index.find(step == 3 ? packed(p[0], p[1], p[2]) : packed(p[0], p[0], p[0]));
    out[i] = found == index.end() ? mask_ignore : found->second;
  }
  return classes;
}

Tensor resize_mask(const Tensor& mask, int height, int width) {
  if (mask.dim(0) == height && mask.dim(1) == width) return mask;
  use_single_threaded_opencv();
  Tensor result(DType::u8, {height, width});
  cv::Mat source(static_cast<int>(mask.dim(0)), static_cast<int>(mask.dim(1)), CV_8U, const_cast<void*>(mask.raw()));
  cv::Mat target(height, width, CV_8U, result.mutable_raw());
  cv::resize(source, target, target.size(), 0, 0, cv::INTER_NEAREST);
  return result;
}

}  // namespace hone
