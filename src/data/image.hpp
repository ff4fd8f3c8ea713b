#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "tensor/tensor.hpp"

namespace hone {

/// Images are tensors u8 [height, width, 3], RGB, everywhere in Hone.

/// The largest image that is decoded, in pixels.
inline constexpr int64_t max_image_pixels = 200'000'000;

struct ImageSize {
  int height = 0;
  int width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// Decodes JPEG, PNG, BMP, WebP, TIFF or PNM to u8 [H, W, 3] RGB. The EXIF orientation is applied, gray is repeated,
/// alpha is dropped, 16 bits become 8. Throws Error when the file is missing, not an image, damaged or cut off, or
/// larger than max_image_pixels (found in the header, before memory is used).
Tensor decode_image(const std::filesystem::path& path);
/// The same from memory; `name` stands for the image in error messages.
Tensor decode_image(std::span<const std::byte> bytes, const std::string& name = "image");

/// decode_image() for training: an image whose short side is above `short_side` is shrunk to it, keeping its aspect
/// (JPEG is decoded at a reduced scale, which is several times faster for camera photos).
Tensor decode_image_shrunk(const std::filesystem::path& path, int short_side);

/// Size after EXIF orientation. Reads only the header where the format allows it. Throws Error as decode_image does.
ImageSize image_size(const std::filesystem::path& path);

/// File content of a u8 [H, W, 3] (or [H, W], gray) tensor. quality is 1..100.
std::string encode_jpeg(const Tensor& image, int quality = 92);
std::string encode_png(const Tensor& image);

/// To height x width, not keeping the aspect: linear with half-pixel centers, antialiased in a direction that shrinks,
/// as the Resize of shipped models computes it (rounded to 8 bits). image is u8 [H, W, 3].
Tensor resize_image(const Tensor& image, int height, int width);

/// The same, linear in both directions whatever the scale (no averaging): how most detectors were trained to see.
Tensor resize_linear(const Tensor& image, int height, int width);

/// Throws Error unless image is a u8 [H, W, 3] tensor with at least one pixel.
void require_image(const Tensor& image, const char* place);

}  // namespace hone
