#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/threads.hpp"

namespace hone::cache {

/// The folder that the user gave for the plan cache (--cache-dir). Files in it are written under a temporary name and
/// renamed; it may be shared by processes, be read-only or vanish, none of which is an error.
class Folder {
 public:
  /// An empty path is no cache: nothing is found, nothing is written.
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}
  bool used() const { return !path_.empty(); }
  /// The file of this key: "<32 digits>.<extension>".
  std::filesystem::path file(const Hash& key, const char* extension) const;
  /// Writes a file, or says at level info why not. The oldest plans are removed when all together exceed `max_bytes`.
  bool write(const std::filesystem::path& file, const std::function<void(const FileAppend&)>& produce) const;

  /// The hash of the contents of a file. Reading a large file takes as long as running the model, so the hash is
  /// remembered for the identity of the file: device, inode, size, and the times of the last change of contents and of
  /// inode, in nanoseconds. The latter is set by the system and no program can set it back, so a file that was written
  /// to is read again. Throws Error when it cannot be read.
  Hash hash_of_file(const std::filesystem::path& file) const;
  /// What is remembered for a file, if anything.
  std::optional<Hash> remembered(const std::filesystem::path& file) const;
  /// Remembers the hash of a file that was just read or written.
  void remember(const std::filesystem::path& file, const Hash& hash) const;

  static constexpr uintmax_t max_bytes = uintmax_t{4} << 30;

 private:
  void make_room() const;
  std::filesystem::path path_;
};

}  // namespace hone::cache
