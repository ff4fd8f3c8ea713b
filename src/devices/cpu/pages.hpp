#pragma once
#include <cstddef>
#include <memory>

/// Memory while a plan is built: half of a first start is the operating system making pages.
namespace hone {
class ThreadPool;
}
namespace hone::cpu {

/// Gets the pages of memory that is about to be written, by all threads and in few calls.
void make_pages(void* memory, size_t bytes, ThreadPool& pool);
/// Zeros that can only be read, which take no memory. Throws Error.
std::shared_ptr<void> read_only_zeros(size_t bytes);
/// Zeros that are needed for a short time: in small pages, which never take long to get (see allocate()). Throws Error.
std::shared_ptr<void> short_lived_zeros(size_t bytes);

}  // namespace hone::cpu
