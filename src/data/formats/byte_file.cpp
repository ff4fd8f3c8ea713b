#include "data/formats/byte_file.hpp"

#include <fmt/format.h>
#ifdef HONE_ZLIB
#include <zlib.h>
#endif

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/names.hpp"

namespace hone {

std::shared_ptr<std::vector<std::byte>> read_bytes_unpacked(const std::filesystem::path& path, size_t limit) {
  auto file = MappedFile::open(path);
  std::span<const std::byte> bytes = file->bytes();
  bool packed = bytes.size() > 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
  if (!packed) {
    if (bytes.size() > limit)
      throw Error(quoted(path), fmt::format("has {} bytes, at most {} expected", bytes.size(), limit));
    return std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  }
#ifdef HONE_ZLIB
  gzFile stream = gzopen(path.c_str(), "rb");
  if (!stream) throw Error(quoted(path), "cannot open the file");
  auto result = std::make_shared<std::vector<std::byte>>();
  std::vector<std::byte> part(size_t{1} << 20);
  int got = 0;
  while (result->size() <= limit && (got = gzread(stream, part.data(), static_cast<unsigned>(part.size()))) > 0)
    result->insert(result->end(), part.begin(), part.begin() + got);
  bool complete = gzclose(stream) == Z_OK && got == 0;
  if (!complete)
    throw Error(quoted(path),
                result->size() > limit ? fmt::format("unpacks to more than {} bytes", limit)
                                       : "the .gz file is damaged or cut off",
                "copy or download it again");
  return result;
#else
  throw Error(quoted(path), "is packed with gzip, which this build cannot read (it has no zlib)",
              "unpack it with gunzip");
#endif
}

}  // namespace hone
