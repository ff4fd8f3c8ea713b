#include "compile/cache/folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"

namespace hone::cache {

namespace fs = std::filesystem;

namespace {

/// Clocks of file systems tick this often at least. A file that was changed more recently may be changed again without
/// looking different.
constexpr int64_t kTick = 20'000'000;  // ns
constexpr size_t kMostFiles = 4096;

int64_t nanoseconds(const timespec& time) { return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec; }

struct Identity {
  Hash hash;
  int64_t changed = 0;  // ns
};

std::optional<Identity> identity_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  Identity identity;
  identity.changed = std::max(nanoseconds(info.st_ctim), nanoseconds(info.st_mtim));
  Hasher hasher;
  for (uint64_t number :
       {static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino), static_cast<uint64_t>(info.st_size),
        static_cast<uint64_t>(nanoseconds(info.st_mtim)), static_cast<uint64_t>(nanoseconds(info.st_ctim))})
    hasher.add(number);
  identity.hash = hasher.value();
  return identity;
}

int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

/// What a file with a remembered hash holds.
struct Record {
  Hash identity, contents;
};

}  // namespace

fs::path Folder::file(const Hash& key, const char* extension) const { return path_ / (to_hex(key) + "." + extension); }

namespace {
/// True when this process has not asked for the path before.
bool first_time(const fs::path& path) {
  static std::mutex mutex;
  static std::set<fs::path> known;
  std::lock_guard lock(mutex);
  return known.insert(path).second;
}
}  // namespace

bool Folder::write(const fs::path& file, const std::function<void(const FileAppend&)>& produce) const {
  if (!used()) return false;
  try {
    std::error_code ignored;
    fs::create_directories(path_, ignored);
    write_file(file, produce);
  } catch (const Error& error) {
    std::error_code ignored;
    // One that only cannot be written to may be meant so; this one is never of use, which is worth one word.
    if (!fs::is_directory(path_, ignored)) {
      if (first_time(path_))
        log(LogLevel::warning, "the plan cache is not used: '" + path_.string() + "' is no folder and cannot be made");
    } else {
      log(LogLevel::info, std::string("the plan cache is not written: ") + error.what());
    }
    return false;
  }
  make_room();
  return true;
}

void Folder::make_room() const {
  struct Old {
    fs::path path;
    fs::file_time_type time;
    uintmax_t bytes;
  };
  std::vector<Old> files;
  uintmax_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    const std::string extension = it->path().extension().string();
    if (extension != ".plan" && extension != ".model" && extension != ".seen") continue;
    std::error_code gone;
    Old old{it->path(), it->last_write_time(gone), it->file_size(gone)};
    if (gone) continue;
    bytes += old.bytes;
    files.push_back(std::move(old));
  }
  std::sort(files.begin(), files.end(), [](const Old& a, const Old& b) { return a.time < b.time; });
  size_t left = files.size();
  for (const Old& old : files) {
    if ((bytes <= max_bytes && left <= kMostFiles) || left <= 1) break;
    fs::remove(old.path, error);
    bytes -= old.bytes;
    --left;
  }
}

std::optional<Hash> Folder::remembered(const fs::path& file) const {
  const auto identity = identity_of(file);
  if (!used() || !identity) return std::nullopt;
  std::error_code error;
  const fs::path note = this->file(identity->hash, "seen");
  if (fs::file_size(note, error) != sizeof(Record) || error) return std::nullopt;
  try {
    Record record;
    std::memcpy(&record, MappedFile::open(note)->bytes().data(), sizeof record);
    if (record.identity == identity->hash) return record.contents;
  } catch (const Error&) {  // gone meanwhile
  }
  return std::nullopt;
}

void Folder::remember(const fs::path& file, const Hash& hash) const {
  auto identity = identity_of(file);
  if (!used() || !identity) return;
  if (const int64_t age = now() - identity->changed; age >= 0 && age < kTick) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kTick - age));
    const auto later = identity_of(file);
    if (!later || later->hash != identity->hash) return;
  }
  const Record record{identity->hash, hash};
  write(this->file(identity->hash, "seen"), [&](const FileAppend& append) { append(&record, sizeof record); });
}

Hash Folder::hash_of_file(const fs::path& file) const {
  if (auto known = remembered(file)) return *known;
  const auto before = identity_of(file);
  auto mapped = MappedFile::open(file);
  Hasher hasher;
  constexpr size_t chunk = size_t{1} << 20;
  for (size_t at = 0; at < mapped->bytes().size(); at += chunk) {
    auto part = mapped->bytes().subspan(at, std::min(chunk, mapped->bytes().size() - at));
    hasher.add(part);
    MappedFile::give_back(part.data(), part.size());
  }
  const auto after = identity_of(file);
  if (before && after && before->hash == after->hash) remember(file, hasher.value());
  return hasher.value();
}

}  // namespace hone::cache
