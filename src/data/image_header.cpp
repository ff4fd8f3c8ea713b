#include "data/image_header.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <limits>
#include <string_view>

namespace hone {

namespace {
using Bytes = std::span<const std::byte>;

constexpr std::string_view png_magic = "\x89PNG\r\n\x1A\n";

/// Bounds-checked reads; outside the bytes everything is 0 and `ok` turns false.
struct Reader {
  Bytes bytes;
  bool big_endian = true;
  bool ok = true;

  uint32_t number(size_t offset, int count) {
    if (offset > bytes.size() || bytes.size() - offset < static_cast<size_t>(count)) {
      ok = false;
      return 0;
    }
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      auto at = offset + static_cast<size_t>(big_endian ? i : count - 1 - i);
      value = (value << 8) | std::to_integer<uint32_t>(bytes[at]);
    }
    return value;
  }
  uint32_t u8(size_t offset) { return number(offset, 1); }
  uint32_t u16(size_t offset) { return number(offset, 2); }
  uint32_t u32(size_t offset) { return number(offset, 4); }
};

bool starts_with(Bytes bytes, std::string_view magic, size_t offset = 0) {
  return bytes.size() >= offset + magic.size() && std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
}

std::optional<ImageHeader> make_header(const char* format, uint32_t height, uint32_t width, int orientation = 1) {
  constexpr auto largest = static_cast<uint32_t>(std::numeric_limits<int>::max());
  if (height == 0 || width == 0 || height > largest || width > largest) return std::nullopt;
  return ImageHeader{format, {static_cast<int>(height), static_cast<int>(width)}, orientation};
}

/// Size and orientation in the first directory of a TIFF structure; a size of 0 where EXIF has none.
ImageHeader read_tiff_directory(Bytes bytes) {
  constexpr uint32_t width_tag = 256, height_tag = 257, orientation_tag = 274, short_type = 3;
  Reader reader{bytes, starts_with(bytes, "MM")};
  ImageHeader header{"TIFF"};
  size_t directory = reader.u32(4);
  uint32_t entries = reader.u16(directory);
  for (uint32_t i = 0; i < entries && reader.ok; ++i) {
    size_t entry = directory + 2 + size_t{12} * i;
    uint32_t tag = reader.u16(entry);
    uint32_t value = reader.u16(entry + 2) == short_type ? reader.u16(entry + 8) : reader.u32(entry + 8);
    if (!reader.ok || value > static_cast<uint32_t>(std::numeric_limits<int>::max())) break;
    if (tag == width_tag) header.size.width = static_cast<int>(value);
    if (tag == height_tag) header.size.height = static_cast<int>(value);
    if (tag == orientation_tag && value >= 1 && value <= 8) header.orientation = static_cast<int>(value);
  }
  return header;
}

bool is_start_of_frame(uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

bool has_no_length(uint32_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8); }

std::optional<ImageHeader> read_jpeg(Bytes bytes) {
  Reader reader{bytes};
  int orientation = 1;
  size_t position = 2;
  while (reader.ok) {
    if (reader.u8(position) != 0xFF) return std::nullopt;
    uint32_t marker = reader.u8(position + 1);
    if (marker == 0xFF || has_no_length(marker)) {  // a fill byte, or a marker without content
      position += marker == 0xFF ? 1 : 2;
      continue;
    }
    if (is_start_of_frame(marker)) {
      uint32_t height = reader.u16(position + 5), width = reader.u16(position + 7);
      return reader.ok ? make_header("JPEG", height, width, orientation) : std::nullopt;
    }
    if (marker == 0xD9 || marker == 0xDA) return std::nullopt;
    uint32_t length = reader.u16(position + 2);
    if (length < 2) return std::nullopt;
    if (marker == 0xE1 && length > 16 && starts_with(bytes, std::string_view("Exif\0\0", 6), position + 4)) {
      size_t start = position + 10;
      orientation =
          read_tiff_directory(bytes.subspan(start, std::min<size_t>(length - 8, bytes.size() - start))).orientation;
    }
    position += 2 + length;
  }
  return std::nullopt;
}

std::optional<ImageHeader> read_webp(Bytes bytes) {
  Reader reader{bytes, false};
  if (starts_with(bytes, "VP8X", 12)) {
    uint32_t width = 1 + reader.number(24, 3), height = 1 + reader.number(27, 3);
    return reader.ok ? make_header("WebP", height, width) : std::nullopt;
  }
  if (starts_with(bytes, "VP8L", 12)) {
    uint32_t bits = reader.u32(21);
    return reader.ok ? make_header("WebP", 1 + ((bits >> 14) & 0x3FFF), 1 + (bits & 0x3FFF)) : std::nullopt;
  }
  uint32_t width = reader.u16(26) & 0x3FFF, height = reader.u16(28) & 0x3FFF;
  return reader.ok && starts_with(bytes, "VP8 ", 12) ? make_header("WebP", height, width) : std::nullopt;
}

std::optional<ImageHeader> read_pnm(Bytes bytes) {
  size_t position = 2;
  auto next_number = [&]() -> uint32_t {
    auto at = [&](size_t i) { return i < bytes.size() ? std::to_integer<unsigned char>(bytes[i]) : 0; };
    while (std::isspace(at(position)) || at(position) == '#') {
      if (at(position) == '#')
        while (position < bytes.size() && at(position) != '\n') ++position;
      else
        ++position;
    }
    uint64_t value = 0;
    for (; std::isdigit(at(position)) && value < (uint64_t{1} << 32); ++position)
      value = value * 10 + (at(position) - '0');
    return static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
  };
  uint32_t width = next_number();
  uint32_t height = next_number();
  return make_header("PNM", height, width);
}

std::optional<ImageHeader> read_bmp(Bytes bytes) {
  Reader reader{bytes, false};
  bool old_header = reader.u32(14) == 12;
  uint32_t width = old_header ? reader.u16(18) : reader.u32(18);
  uint32_t height = old_header ? reader.u16(20) : reader.u32(22);
  if (!old_header && height > 0x80000000u) height = 0u - height;  // negative: rows from the top
  return reader.ok ? make_header("BMP", height, width) : std::nullopt;
}
bool jpeg_is_complete(Bytes bytes) {
  size_t position = 2;
  while (position + 1 < bytes.size()) {
    // Between segments and inside entropy-coded data alike: on to the next marker. 0xFF00 is a data byte.
    const void* found = std::memchr(bytes.data() + position, 0xFF, bytes.size() - position - 1);
    if (!found) return false;
    position = static_cast<size_t>(static_cast<const std::byte*>(found) - bytes.data());
    auto marker = std::to_integer<uint32_t>(bytes[position + 1]);
    if (marker == 0xD9) return true;
    if (marker == 0xFF) {
      ++position;
    } else if (marker == 0x00 || has_no_length(marker)) {
      position += 2;
    } else {
      Reader reader{bytes};
      position += 2 + reader.u16(position + 2);
    }
  }
  return false;
}

bool png_is_complete(Bytes bytes) {
  Reader reader{bytes};
  size_t position = 8;
  while (reader.ok) {
    if (starts_with(bytes, "IEND", position + 4)) return true;
    position += size_t{12} + reader.u32(position);  // length, name, content, checksum
  }
  return false;
}
}  // namespace

std::optional<ImageHeader> read_image_header(Bytes bytes) {
  if (starts_with(bytes, "\xFF\xD8\xFF")) return read_jpeg(bytes);
  if (starts_with(bytes, png_magic)) {
    Reader reader{bytes};
    uint32_t width = reader.u32(16), height = reader.u32(20);
    return reader.ok ? make_header("PNG", height, width) : std::nullopt;
  }
  if (starts_with(bytes, "BM")) return read_bmp(bytes);
  if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8)) return read_webp(bytes);
  if (starts_with(bytes, std::string_view("II*\0", 4)) || starts_with(bytes, std::string_view("MM\0*", 4))) {
    ImageHeader header = read_tiff_directory(bytes);
    return make_header("TIFF", static_cast<uint32_t>(header.size.height), static_cast<uint32_t>(header.size.width),
                       header.orientation);
  }
  if (bytes.size() > 2 && bytes[0] == std::byte{'P'} && bytes[1] >= std::byte{'1'} && bytes[1] <= std::byte{'6'})
    return read_pnm(bytes);
  return std::nullopt;
}

bool is_complete(Bytes bytes) {
  if (starts_with(bytes, "\xFF\xD8\xFF")) return jpeg_is_complete(bytes);
  if (starts_with(bytes, png_magic)) return png_is_complete(bytes);
  return true;
}

}  // namespace hone
