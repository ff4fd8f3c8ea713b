#include "data/formats/folder.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"
#include "data/dataset.hpp"
#include "data/names.hpp"

namespace hone {

namespace fs = std::filesystem;

namespace {
constexpr int deepest = 12;

FolderFile describe(const std::string& path) {
  FolderFile file;
  file.path = path;
  file.directory = parent_of(path);
  file.name = path.substr(file.directory.empty() ? 0 : file.directory.size() + 1);
  fs::path name(file.name);
  file.stem = name.stem().string();
  file.extension = to_lower(name.extension().string());
  file.image = has_image_extension(name);
  return file;
}

bool is_hidden(const std::string& name) { return name.empty() || name[0] == '.' || name == "__MACOSX"; }
}  // namespace

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (char c : text) {
    if (c == '/' || c == '_' || c == '-' || c == '.' || c == ' ')
      words.emplace_back();
    else
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::erase(words, "");
  return words;
}

Folder::Folder(const fs::path& root) : root_(root) {
  std::error_code error;
  fs::file_status status = fs::status(root, error);
  if (!fs::exists(status)) throw Error(quoted(root), "no such file or folder", "check the path");
  if (!fs::is_directory(status)) {
    root_ = root.has_parent_path() ? root.parent_path() : fs::path(".");
    given_ = root.filename().string();
  }
  std::vector<fs::path> outer;
  scan(root_, "", 0, outer);
  std::sort(files_.begin(), files_.end(), [](const FolderFile& a, const FolderFile& b) { return a.path < b.path; });
  for (size_t i = 0; i < files_.size(); ++i) {
    const FolderFile& file = files_[i];
    by_path_.emplace(file.path, i);
    by_directory_[file.directory].push_back(&file);
    if (!file.image) continue;
    ++images_;
    images_by_name_[file.name].push_back(&file);
  }
}

void Folder::scan(const fs::path& folder, const std::string& relative, int depth, std::vector<fs::path>& outer) {
  std::error_code error;
  fs::path real = fs::canonical(folder, error);
  if (error || depth > deepest || std::find(outer.begin(), outer.end(), real) != outer.end()) return;
  outer.push_back(real);
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      if (is_hidden(name)) continue;
      std::string path = relative.empty() ? name : relative + '/' + name;
      if (entry.is_directory(error))
        scan(entry.path(), path, depth + 1, outer);
      else
        files_.push_back(describe(path));
    }
  } catch (const fs::filesystem_error& problem) {
    throw Error(quoted(folder), "cannot read the folder: " + problem.code().message(), "check its permissions");
  }
  outer.pop_back();
}

std::vector<const FolderFile*> Folder::with_extension(std::string_view extension) const {
  std::vector<const FolderFile*> found;
  for (const FolderFile& file : files_)
    if (file.extension == extension) found.push_back(&file);
  if (!given_.empty()) std::erase_if(found, [&](const FolderFile* file) { return file->path != given_; });
  return found;
}

const FolderFile* Folder::find(const std::string& path) const {
  auto found = by_path_.find(path);
  return found == by_path_.end() ? nullptr : &files_[found->second];
}

const std::vector<const FolderFile*>& Folder::in(const std::string& directory) const {
  static const std::vector<const FolderFile*> none;
  auto found = by_directory_.find(directory);
  return found == by_directory_.end() ? none : found->second;
}

std::vector<std::string> Folder::directories() const {
  std::vector<std::string> names;
  for (const auto& [name, files] : by_directory_) names.push_back(name);
  return names;
}

const FolderFile* Folder::image_by_stem(const std::string& directory, const std::string& stem) const {
  static const char* const extensions[] = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm",
                                           ".JPG", ".JPEG", ".PNG", ".BMP"};
  std::string base = directory.empty() ? stem : directory + '/' + stem;
  for (const char* extension : extensions)
    if (const FolderFile* file = find(base + extension)) return file;
  return nullptr;
}

const FolderFile* Folder::locate_image(const std::string& name, const std::string& from,
                                       const std::string& hint) const {
  if (name.find('\\') != std::string::npos) {  // written on Windows, unless there is such a file
    if (const FolderFile* file = find(from.empty() ? name : from + '/' + name)) return file->image ? file : nullptr;
    std::string path = name;
    std::replace(path.begin(), path.end(), '\\', '/');
    return locate_image(path, from, hint);
  }
  fs::path wanted = fs::path(name).lexically_normal();
  if (wanted.is_absolute()) wanted = wanted.filename();
  std::string relative = wanted.generic_string();
  for (const std::string& base : {from, parent_of(from), std::string()}) {
    const FolderFile* file = find(base.empty() ? relative : base + '/' + relative);
    if (file && file->image) return file;
  }
  auto found = images_by_name_.find(wanted.filename().string());
  if (found == images_by_name_.end()) return nullptr;
  const FolderFile* best = nullptr;
  int best_score = -1;
  for (const FolderFile* file : found->second) {
    int score = 0;
    if (file->path.ends_with('/' + relative)) score += 2;
    if (!hint.empty() && file->directory.find(hint) != std::string::npos) score += 4;
    if (!from.empty() && file->path.starts_with(parent_of(from) + '/')) score += 1;
    if (score > best_score) best = file, best_score = score;
  }
  return best;
}

}  // namespace hone
