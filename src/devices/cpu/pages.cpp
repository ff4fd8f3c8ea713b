#include "devices/cpu/pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/threads.hpp"

#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23  // of Linux 5.14; older ones refuse, and writers make the pages
#endif

namespace hone::cpu {

namespace {
std::shared_ptr<void> map(size_t bytes, int protection, int flags) {
  bytes = std::max<size_t>(bytes, 1);
  void* memory = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (memory == MAP_FAILED)
    throw Error("memory", fmt::format("cannot get {} bytes", bytes), "use a smaller batch or input size");
  return {memory, [bytes](void* mapped) { ::munmap(mapped, bytes); }};
}
}  // namespace

void make_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes, [[maybe_unused]] ThreadPool& pool) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 4096;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) / kPage * kPage,
                  end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kPage * kPage;
  if (begin + kPage >= end) return;
  // Threads that share one of the system's page tables, of 2 MB, wait for each other.
  const uintptr_t piece_bytes = end - begin < (8 << 20) ? 512 << 10 : 2 << 20;
  const auto pieces = static_cast<int64_t>((end - begin + piece_bytes - 1) / piece_bytes);
  pool.parallel_for(pieces, [&](int64_t piece, int) {
    const uintptr_t first = begin + piece_bytes * static_cast<uintptr_t>(piece);
    ::madvise(reinterpret_cast<void*>(first), std::min(piece_bytes, end - first), MADV_POPULATE_WRITE);
  });
#endif
}

std::shared_ptr<void> read_only_zeros(size_t bytes) {
  std::shared_ptr<void> zeros = map(bytes, PROT_READ, MAP_NORESERVE);
#if defined(__linux__)
  ::madvise(zeros.get(), bytes, MADV_HUGEPAGE);  // one page of zeros serves as all of them
#endif
  return zeros;
}

std::shared_ptr<void> short_lived_zeros(size_t bytes) {
#if defined(__linux__)
  return map(bytes, PROT_READ | PROT_WRITE, MAP_POPULATE);
#else
  return map(bytes, PROT_READ | PROT_WRITE, 0);
#endif
}

}  // namespace hone::cpu
