#include "compile/cache/build_id.hpp"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <cstring>

namespace hone::cache {

namespace {

struct Search {
  uintptr_t inside = 0;
  Hash id{};
};

/// The notes of a program header: name size, description size, type, name, description, each padded to 4 bytes.
bool find_note(const char* at, size_t bytes, Hash& id) {
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const size_t name = (note.n_namesz + 3) / 4 * 4, description = (note.n_descsz + 3) / 4 * 4;
    if (sizeof note + name + description > bytes) return false;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(at + sizeof note, "GNU", 4) == 0) {
      id = hash_bytes({reinterpret_cast<const std::byte*>(at + sizeof note + name), note.n_descsz});
      return true;
    }
    at += sizeof note + name + description;
    bytes -= sizeof note + name + description;
  }
  return false;
}

int visit(dl_phdr_info* info, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool ours = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    ours |= part.p_type == PT_LOAD && search.inside >= begin && search.inside < begin + part.p_memsz;
  }
  if (!ours) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type == PT_NOTE &&
        find_note(reinterpret_cast<const char*>(info->dlpi_addr + part.p_vaddr), part.p_memsz, search.id))
      return 1;
  }
  // Linked without one: the file's size and time.
  struct stat file {};
  Hasher hasher;
  if (::stat(*info->dlpi_name ? info->dlpi_name : "/proc/self/exe", &file) == 0)
    for (int64_t number : {int64_t{file.st_size}, int64_t{file.st_mtim.tv_sec}, int64_t{file.st_mtim.tv_nsec}})
      hasher.add(static_cast<uint64_t>(number));
  search.id = hasher.value();
  return 1;
}

}  // namespace

const Hash& build_id() {
  static const Hash id = [] {
    Search search{reinterpret_cast<uintptr_t>(&build_id), {}};
    ::dl_iterate_phdr(visit, &search);
    return search.id;
  }();
  return id;
}

}  // namespace hone::cache
