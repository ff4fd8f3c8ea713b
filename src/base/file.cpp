#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.hpp"

namespace hone {

namespace {
[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int error) {
  std::string remedy;
  if (error == ENOENT) remedy = "check the path";
  if (error == EACCES || error == EROFS) remedy = "check its permissions or choose another place";
  if (error == ENOSPC) remedy = "free some space or choose another disk";
  throw Error("'" + path.string() + "'", what + ": " + std::strerror(error), remedy);
}

/// Owns a file descriptor and removes its temporary file unless it was renamed.
struct TemporaryFile {
  std::filesystem::path path;
  int descriptor = -1;
  ~TemporaryFile() {
    if (descriptor >= 0) ::close(descriptor);
    if (!path.empty()) ::unlink(path.c_str());
  }
};

/// The mappings that exist, by address: dropping pages of any other memory would lose its contents.
struct Mapping {
  size_t size = 0;
  int descriptor = -1;
};
struct Mappings {
  std::mutex mutex;
  std::map<uintptr_t, Mapping> by_address;

  /// The one that has all these bytes, and how far behind its start they lie.
  std::optional<std::pair<Mapping, uintptr_t>> find(const void* data, size_t bytes) {
    auto begin = reinterpret_cast<uintptr_t>(data);
    std::lock_guard lock(mutex);
    auto next = by_address.upper_bound(begin);
    if (next == by_address.begin()) return std::nullopt;
    const auto& [first, mapping] = *std::prev(next);
    if (begin >= first + mapping.size || bytes > first + mapping.size - begin) return std::nullopt;
    return std::pair(mapping, begin - first);
  }
};
Mappings& mappings() {
  static Mappings* all = new Mappings;  // never destroyed: files may be held by objects that go later
  return *all;
}

/// The whole pages within [begin, end).
void drop_pages(uintptr_t begin, uintptr_t end) {
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}
}  // namespace

void MappedFile::give_back(const void* data, size_t bytes) {
  auto begin = reinterpret_cast<uintptr_t>(data);
  if (holds(data, bytes)) drop_pages(begin, begin + bytes);
}

bool MappedFile::holds(const void* data, size_t bytes) { return mappings().find(data, bytes).has_value(); }

void MappedFile::copy(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<char*>(to);
  size_t done = 0;
  if (auto found = mappings().find(from, bytes)) {
    const auto& [mapping, offset] = *found;
    while (done < bytes) {
      const ssize_t got = ::pread(mapping.descriptor, out + done, bytes - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;  // the mapping has the same to say
      done += static_cast<size_t>(got);
    }
  }
  if (done < bytes) std::memcpy(out + done, static_cast<const char*>(from) + done, bytes - done);
}

void MappedFile::give_back_all() {
  std::lock_guard lock(mappings().mutex);
  for (const auto& [first, mapping] : mappings().by_address) drop_pages(first, first + mapping.size);
}

namespace {
thread_local int64_t opened = 0;
}

int64_t MappedFile::opened_by_this_thread() { return opened; }

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot open the file", errno);
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) {
    int error = errno;
    ::close(descriptor);
    fail(path, "cannot read the file", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(descriptor);
    throw Error("'" + path.string() + "'",
                S_ISDIR(info.st_mode) ? "is a folder, expected a file" : "is not a regular file");
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = static_cast<size_t>(info.st_size);
  if (file->size_ > 0) {
    void* address = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) {
      int error = errno;
      ::close(descriptor);
      file->size_ = 0;
      fail(path, "cannot map the file", error);
    }
    file->data_ = static_cast<const std::byte*>(address);
    std::lock_guard lock(mappings().mutex);
    mappings().by_address[reinterpret_cast<uintptr_t>(address)] = {file->size_, descriptor};
  } else {
    ::close(descriptor);
  }
  ++opened;
  return file;
}

std::shared_ptr<const MappedFile> MappedFile::from_memory(std::span<const std::byte> bytes, const std::string& name) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->memory_.reset(new std::byte[std::max<size_t>(bytes.size(), 1)]);
  std::copy(bytes.begin(), bytes.end(), file->memory_.get());
  file->data_ = file->memory_.get();
  file->size_ = bytes.size();
  file->path_ = name;
  return file;
}

MappedFile::~MappedFile() {
  if (!data_ || memory_) return;
  std::lock_guard lock(mappings().mutex);
  auto mapping = mappings().by_address.find(reinterpret_cast<uintptr_t>(data_));
  ::close(mapping->second.descriptor);
  mappings().by_address.erase(mapping);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {
void write_all(int descriptor, const void* data, size_t size, const std::filesystem::path& path) {
  const char* cursor = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t written = ::write(descriptor, cursor, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "cannot write the file", errno);
    cursor += written;
    size -= static_cast<size_t>(written);
  }
}

/// Where a new file is to be put: behind a link, so that the link stays what it is.
std::filesystem::path behind_links(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target;
}
}  // namespace

void write_file(const std::filesystem::path& path, const std::function<void(const FileAppend&)>& produce) {
  static std::atomic<unsigned> serial{0};
  TemporaryFile temporary;
  struct stat info {};
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode))
    throw Error("'" + path.string() + "'", "is a folder, expected a file to write", "add a file name");
  // A device or a pipe (/dev/null, /dev/stdout) is written to; a finished file in its place would take it away.
  bool in_place = exists && !S_ISREG(info.st_mode);
  const std::filesystem::path target = in_place ? path : behind_links(path);
  std::filesystem::path name = target;
  if (!in_place) name += ".part" + std::to_string(::getpid()) + "-" + std::to_string(serial++);
  temporary.descriptor = ::open(name.c_str(), O_WRONLY | (in_place ? 0 : O_CREAT | O_TRUNC) | O_CLOEXEC, 0644);
  if (temporary.descriptor < 0) fail(path, "cannot write the file", errno);
  if (!in_place) temporary.path = name;
  produce([&](const void* data, size_t size) { write_all(temporary.descriptor, data, size, path); });
  if (::fsync(temporary.descriptor) != 0 && errno != EINVAL) fail(path, "cannot write the file", errno);
  int closed = ::close(temporary.descriptor);
  temporary.descriptor = -1;
  if (closed != 0) fail(path, "cannot write the file", errno);
  if (in_place) return;
  if (::rename(name.c_str(), target.c_str()) != 0) fail(path, "cannot rename the finished file", errno);
  temporary.path.clear();
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  write_file(path, [&](const FileAppend& append) { append(content.data(), content.size()); });
}

std::string read_text_file(const std::filesystem::path& path) { return std::string(MappedFile::open(path)->text()); }

void make_writable_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(folder, "cannot create the folder", error.value());
  if (!std::filesystem::is_directory(folder)) throw Error("'" + folder.string() + "'", "is a file, expected a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail(folder, "cannot write to the folder", errno);
}

}  // namespace hone
