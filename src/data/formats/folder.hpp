#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hone {

/// A file below the root of a data set. All names use '/'.
struct FolderFile {
  std::string path;       ///< relative to the root: "train/cat/1.JPG"
  std::string directory;  ///< "train/cat"; empty for the root
  std::string name;       ///< "1.JPG"
  std::string stem;       ///< "1"
  std::string extension;  ///< ".jpg", lower case
  bool image = false;     ///< by its extension
};

/// What lies in a folder, read once: readers look here, not at the disk, to find out whether they know the layout.
class Folder {
 public:
  /// All files below `root`, sorted, without hidden ones; links are followed once. For a file, its folder with `given`
  /// set. Throws Error when there is no such path or it cannot be read.
  explicit Folder(const std::filesystem::path& root);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& root() const { return root_; }
  /// The file that stands for the data set ("annotations/train.json", "data.yaml"), relative to root(); else empty.
  const std::string& given() const { return given_; }
  const std::vector<FolderFile>& files() const { return files_; }
  size_t images() const { return images_; }
  std::filesystem::path full(const std::string& relative) const { return root_ / relative; }

  /// Files with that extension (".json"); only the given one when it has it.
  std::vector<const FolderFile*> with_extension(std::string_view extension) const;
  const FolderFile* find(const std::string& path) const;
  /// Files directly in a directory, by its relative name.
  const std::vector<const FolderFile*>& in(const std::string& directory) const;
  /// All directories that hold files directly.
  std::vector<std::string> directories() const;
  /// The image of that stem in a directory; nullptr when there is none.
  const FolderFile* image_by_stem(const std::string& directory, const std::string& stem) const;
  /// The image that an annotation in directory `from` calls `name`: relative to it, to its parent or the root, or else
  /// anywhere by its last part; of several the one whose directory contains `hint` or is nearest in name. nullptr:
  /// none.
  const FolderFile* locate_image(const std::string& name, const std::string& from, const std::string& hint = {}) const;

 private:
  void scan(const std::filesystem::path& folder, const std::string& relative, int depth,
            std::vector<std::filesystem::path>& outer);

  std::filesystem::path root_;
  std::string given_;
  std::vector<FolderFile> files_;
  size_t images_ = 0;
  std::unordered_map<std::string, size_t> by_path_;
  std::map<std::string, std::vector<const FolderFile*>> by_directory_;
  std::unordered_map<std::string, std::vector<const FolderFile*>> images_by_name_;
};

/// "a/b" of "a/b/c.txt"; empty when there is no slash.
std::string parent_of(const std::string& path);
/// The parts of a path or of words joined by _ - . and space, in lower case: "Train_Images/x" -> train, images, x.
std::vector<std::string> words_of(const std::string& text);

}  // namespace hone
