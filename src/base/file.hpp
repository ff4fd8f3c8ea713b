#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hone {

/// A file mapped read-only into memory. Pages are read when touched; nothing is copied.
class MappedFile {
 public:
  /// Throws Error when the file is missing, not regular or unreadable. An empty file maps to an empty span.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// A file that exists in memory only: a copy of `bytes`. `name` stands for its path in errors.
  static std::shared_ptr<const MappedFile> from_memory(std::span<const std::byte> bytes, const std::string& name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::filesystem::path& path() const { return path_; }
  bool in_memory() const { return memory_ != nullptr; }
  /// How many files this thread has opened so far.
  static int64_t opened_by_this_thread();
  /// Says that the memory at `data` will not be read soon. Where it is part of a file mapped by open(), its pages stop
  /// counting as this process's memory (reading them later brings them back); other memory is left alone.
  static void give_back(const void* data, size_t bytes);
  static void give_back_all();  ///< every mapped file as a whole
  /// True when the memory is part of a file mapped by open().
  static bool holds(const void* data, size_t bytes);
  /// Copies memory. A part of a file mapped by open() is read from the file, which takes half the time of touching the
  /// pages of its mapping for the first time, and none of them then counts as this process's memory.
  static void copy(void* to, const void* from, size_t bytes);

 private:
  MappedFile() = default;
  std::unique_ptr<std::byte[]> memory_;  ///< of from_memory()
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::filesystem::path path_;
};

/// Appends bytes to a file being written by write_file(); throws Error on a full disk.
using FileAppend = std::function<void(const void* data, size_t size)>;

/// Writes `path` under a temporary name in the same folder, syncs and renames: a reader sees the old file or
/// the whole new one, never a part. Throws Error (and removes the temporary file) when anything fails.
void write_file(const std::filesystem::path& path, const std::function<void(const FileAppend&)>& produce);
void write_file(const std::filesystem::path& path, std::string_view content);
std::string read_text_file(const std::filesystem::path& path);
/// Creates the folder (and its parents) and checks that it can be written to; throws Error otherwise.
void make_writable_folder(const std::filesystem::path& folder);

}  // namespace hone
