#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace hone {

/// What a YOLO data.yaml says: the few shapes of YAML that such files have.
struct YoloConfig {
  std::vector<std::string> names;
  std::string path;                                        ///< base folder; empty: that of the file
  std::map<std::string, std::vector<std::string>> parts;  ///< "train", "val", "test": folders or list files
};

/// Throws Error with the line for what is not understood.
YoloConfig read_yolo_config(const std::filesystem::path& path);

}  // namespace hone
