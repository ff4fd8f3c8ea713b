#include "data/image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <mutex>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "base/error.hpp"
#include "data/image_cv.hpp"
#include "data/image_header.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
constexpr const char* formats = "JPEG, PNG, BMP, WebP, TIFF or PNM";

std::vector<std::byte> read_bytes(const std::filesystem::path& path, size_t limit = SIZE_MAX) {
  std::error_code error;
  std::filesystem::file_status status = std::filesystem::status(path, error);
  std::string place = quoted(path);
  if (!std::filesystem::exists(status)) throw Error(place, "no such file", "check the path");
  if (!std::filesystem::is_regular_file(status)) throw Error(place, "is not a file, expected an image");
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream)
    throw Error(place, std::string("cannot open the file: ") + std::strerror(errno), "check its permissions");
  auto size = static_cast<size_t>(std::max<std::streamoff>(stream.tellg(), 0));
  std::vector<std::byte> bytes(std::min(size, limit));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) throw Error(place, "cannot read the file");
  return bytes;
}

ImageHeader require_header(std::span<const std::byte> bytes, const std::string& place) {
  if (bytes.empty()) throw Error(place, "the file is empty");
  std::optional<ImageHeader> header = read_image_header(bytes);
  if (!header) throw Error(place, fmt::format("not an image, or its header is damaged (expected {})", formats));
  int64_t pixels = int64_t{header->size.height} * header->size.width;
  if (pixels > max_image_pixels)
    throw Error(
        place,
        fmt::format("{}x{} is {:.0f} megapixels, at most {:.0f} are read", header->size.width, header->size.height,
                    static_cast<double>(pixels) * 1e-6, static_cast<double>(max_image_pixels) * 1e-6),
        "shrink the image");
  return *header;
}

/// The JPEG scale (1, 2, 4 or 8) that still leaves twice the wanted short side, so that the resize after it decides
/// the sharpness.
int reduced_scale(const ImageHeader& header, int short_side) {
  if (short_side <= 0 || std::strcmp(header.format, "JPEG") != 0) return 1;
  int available = std::min(header.size.height, header.size.width);
  int scale = 1;
  while (scale < 8 && available / (scale * 2) >= short_side * 2) scale *= 2;
  return scale;
}

Tensor decode(std::span<const std::byte> bytes, const std::string& place, int short_side) {
  use_single_threaded_opencv();
  ImageHeader header = require_header(bytes, place);
  if (!is_complete(bytes))
    throw Error(place, fmt::format("the {} is cut off (its end is missing)", header.format),
                "copy or download it again");
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) throw Error(place, "the file is over 2 GB");
  int mode = cv::IMREAD_COLOR;
  int scale = reduced_scale(header, short_side);
  if (scale == 2) mode = cv::IMREAD_REDUCED_COLOR_2;
  if (scale == 4) mode = cv::IMREAD_REDUCED_COLOR_4;
  if (scale == 8) mode = cv::IMREAD_REDUCED_COLOR_8;
  cv::Mat source(1, static_cast<int>(bytes.size()), CV_8U, const_cast<std::byte*>(bytes.data()));
  cv::Mat pixels;
  try {
    pixels = cv::imdecode(source, mode);
  } catch (const cv::Exception& error) {
    throw Error(place, fmt::format("the {} cannot be decoded ({})", header.format, error.err));
  }
  if (pixels.empty()) throw Error(place, fmt::format("the {} is damaged", header.format));
  if (pixels.type() != CV_8UC3) throw Error(place, fmt::format("the {} has an unsupported pixel type", header.format));
  Tensor image = make_image(pixels.rows, pixels.cols);
  cv::Mat view = view_of(image);
  cv::cvtColor(pixels, view, cv::COLOR_BGR2RGB);
  return image;
}

std::string encode(const Tensor& image, const char* extension, const std::vector<int>& parameters) {
  use_single_threaded_opencv();
  bool gray = image.dtype() == DType::u8 && image.rank() == 2 && image.size() > 0;
  if (!gray) require_image(image, "encode image");
  cv::Mat pixels;
  if (gray)
    pixels =
        cv::Mat(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8U, const_cast<void*>(image.raw()));
  else
    cv::cvtColor(view_of(image), pixels, cv::COLOR_RGB2BGR);
  std::vector<uchar> bytes;
  try {
    if (!cv::imencode(extension, pixels, bytes, parameters)) bytes.clear();
  } catch (const cv::Exception&) {
    bytes.clear();
  }
  if (bytes.empty())
    throw Error("encode image", fmt::format("cannot write {} as {}", to_string(image.dims()), extension + 1));
  return {bytes.begin(), bytes.end()};
}
}  // namespace

void use_single_threaded_opencv() {
  static std::once_flag once;
  std::call_once(once, [] { cv::setNumThreads(1); });
}

void require_image(const Tensor& image, const char* place) {
  if (image.dtype() == DType::u8 && image.rank() == 3 && image.dim(2) == 3 && image.size() > 0) return;
  throw Error(
      place, fmt::format("expected an image u8 [H, W, 3], got {} {}", name_of(image.dtype()), to_string(image.dims())));
}

Tensor decode_image(std::span<const std::byte> bytes, const std::string& name) { return decode(bytes, name, 0); }

Tensor decode_image(const std::filesystem::path& path) { return decode(read_bytes(path), quoted(path), 0); }

Tensor decode_image_shrunk(const std::filesystem::path& path, int short_side) {
  Tensor image = decode(read_bytes(path), quoted(path), short_side);
  int64_t available = std::min(image.dim(0), image.dim(1));
  if (short_side <= 0 || available <= short_side) return image;
  double scale = static_cast<double>(short_side) / static_cast<double>(available);
  auto scaled = [&](int64_t size) {
    return std::max(short_side, static_cast<int>(std::lround(static_cast<double>(size) * scale)));
  };
  return resize_image(image, scaled(image.dim(0)), scaled(image.dim(1)));
}

ImageSize image_size(const std::filesystem::path& path) {
  std::string place = quoted(path);
  // Headers are short, but EXIF with a preview can put a JPEG's size far behind.
  std::vector<std::byte> bytes = read_bytes(path, size_t{1} << 17);
  std::optional<ImageHeader> header = read_image_header(bytes);
  if (!header) {
    bytes = read_bytes(path);
    header = require_header(bytes, place);
  }
  ImageSize size = require_header(bytes, place).size;
  if (header->orientation >= 5) std::swap(size.height, size.width);
  return size;
}

std::string encode_jpeg(const Tensor& image, int quality) {
  return encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, std::clamp(quality, 1, 100)});
}

std::string encode_png(const Tensor& image) { return encode(image, ".png", {cv::IMWRITE_PNG_COMPRESSION, 6}); }

Tensor resize_linear(const Tensor& image, int height, int width) {
  require_image(image, "resize");
  if (height < 1 || width < 1)
    throw Error("resize", fmt::format("expected a size of at least 1x1, got {}x{}", width, height));
  use_single_threaded_opencv();
  Tensor result = make_image(height, width);
  cv::Mat view = view_of(result);
  cv::resize(view_of(image), view, view.size(), 0, 0, cv::INTER_LINEAR);
  return result;
}

}  // namespace hone
