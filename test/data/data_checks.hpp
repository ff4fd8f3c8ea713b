#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "data/image.hpp"
#include "data/random.hpp"
#include "temporary_folder.hpp"

namespace hone {

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
