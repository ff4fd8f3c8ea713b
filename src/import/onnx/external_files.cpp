#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/model.hpp"

namespace hone::onnx {

namespace fs = std::filesystem;

ExternalFiles::ExternalFiles(const fs::path& model) {
  if (!model.empty()) folder_ = model.parent_path().empty() ? "." : model.parent_path();
}

std::shared_ptr<const MappedFile> ExternalFiles::open(const std::string& location, const std::string& place) {
  auto known = files_.find(location);
  if (known != files_.end()) return known->second;
  const char* remedy = "a model may only read data files in its own folder; move the file there and export again";
  if (folder_.empty())
    throw Error(place, fmt::format("has its data in the file '{}', but the model was read from memory", location),
                "read the model from a file, or export it with its data inside");
  fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos)
    throw Error(place, "names no external data file", "export the model again");
  if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end())
    throw Error(place, fmt::format("has its data in '{}', outside the model's folder", location), remedy);
  std::error_code error;
  fs::path folder = fs::canonical(folder_, error);
  fs::path target = error ? fs::path() : fs::canonical(folder / relative, error);
  if (error)
    throw Error(place, fmt::format("has its data in '{}', which cannot be opened: {}", location, error.message()),
                "copy the data file into the folder of the model");
  // A symbolic link inside the folder must not lead out of it.
  auto [end, unused] = std::mismatch(folder.begin(), folder.end(), target.begin(), target.end());
  if (end != folder.end())
    throw Error(place, fmt::format("has its data in '{}', a link that leads outside the model's folder", location),
                remedy);
  return files_[location] = MappedFile::open(target);
}

}  // namespace hone::onnx
