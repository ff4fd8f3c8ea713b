#pragma once
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hone {

/// A folder of its own for each object, also among tests that run at the same time; removed with the object.
class TemporaryFolder {
 public:
  enum class Place { disk, memory };

  /// `memory`: in memory where the system has that, for tests that write thousands of small files.
  explicit TemporaryFolder(Place place = Place::disk) {
    if (place == Place::disk || !make("/dev/shm")) make(std::filesystem::temp_directory_path());
    if (path_.empty()) throw std::runtime_error("cannot make a temporary folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
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
    std::ofstream out(file, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size())).flush();
    if (!out) throw std::runtime_error("cannot write " + file.string());
    return file;
  }

 private:
  bool make(const std::filesystem::path& base) {
    std::string pattern = (base / "hone-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) return false;
    path_ = pattern;
    return true;
  }

  std::filesystem::path path_;
};

}  // namespace hone
