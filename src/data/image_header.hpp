#pragma once
#include <cstddef>
#include <optional>
#include <span>

#include "data/image.hpp"

namespace hone {

/// What the first bytes of an image file say.
struct ImageHeader {
  const char* format = "";
  ImageSize size;       ///< as stored, before orientation
  int orientation = 1;  ///< EXIF, 1..8; 5 and above swap height and width
};

/// Reads the header of JPEG, PNG, BMP, WebP, TIFF or PNM. nullopt when the bytes are none of them or the header
/// is damaged or cut off. Never reads outside `bytes`.
std::optional<ImageHeader> read_image_header(std::span<const std::byte> bytes);

/// False when a JPEG or PNG lacks its end marker. Decoders fill what a cut-off file lacks with gray, or complain on
/// stderr.
bool is_complete(std::span<const std::byte> bytes);

}  // namespace hone
