#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/image.hpp"
#include "data/random.hpp"

namespace hone {

/// A folder that is removed when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hone-data-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  /// Writes a file below the folder, making what is between.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    write_file(file, content);
    return file;
  }

 private:
  std::filesystem::path path_;
};

inline Tensor random_image(int height, int width, uint64_t seed) {
  Rng rng(seed);
  Tensor image(DType::u8, {height, width, 3});
  for (uint8_t& value : image.mutable_data<uint8_t>()) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

/// `count` small images in each named class folder below `root`.
inline void write_classes(const TemporaryFolder& folder, const std::string& root,
                          std::initializer_list<const char*> classes, int count) {
  uint64_t seed = 0;
  for (const char* name : classes)
    for (int i = 0; i < count; ++i)
      folder.write(root + name + "/" + std::to_string(i) + ".png", encode_png(random_image(20, 24, seed++)));
}

/// The message of the Error that `f` throws; empty when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A folder of the real data beside the project, if it is there.
inline std::optional<std::filesystem::path> real_data(const std::string& name) {
  const char* variable = std::getenv("HONE_DATA");
  std::filesystem::path base = variable ? variable : std::filesystem::path(HONE_SOURCE_DIR) / ".." / "shared";
  std::filesystem::path folder = base / "data" / name;
  if (!std::filesystem::exists(folder)) return std::nullopt;
  return folder;
}

}  // namespace hone
