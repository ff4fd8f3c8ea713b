#include "train/tensor_memory.hpp"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>

namespace hone {

namespace {

constexpr size_t alignment = 64;
constexpr size_t smallest = 64 << 10;  ///< smaller blocks are left to malloc, which keeps them anyway

/// The largest class that fits into `bytes`; classes are eighths of powers of two.
size_t class_below(size_t bytes) {
  size_t step = smallest / 8;
  while (step * 16 <= bytes) step *= 2;
  return bytes / step * step;
}

size_t class_above(size_t bytes) {
  size_t below = class_below(bytes);
  if (below == bytes) return bytes;
  size_t step = smallest / 8;
  while (step * 16 <= bytes) step *= 2;
  return below + step;
}

class Cache : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const override {
    void* block = take(bytes);
    return {block, block, &give, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give; }

  static Cache& get() {
    static auto* cache = new Cache;  // tensors may be freed after static destructors ran
    return *cache;
  }
  void trim() {
    std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : blocks_)
      for (void* block : blocks) std::free(block);
    blocks_.clear();
    bytes_ = 0;
  }
  size_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }
  bool active = false;

 private:
  void* take(size_t bytes) const {
    if (bytes == 0) return nullptr;
    size_t size = bytes < smallest ? bytes : class_above(bytes);
    if (size >= smallest) {
      std::lock_guard lock(mutex_);
      auto it = blocks_.find(size);
      if (it != blocks_.end() && !it->second.empty()) {
        void* block = it->second.back();
        it->second.pop_back();
        bytes_ -= size;
        return block;
      }
    }
    void* block = nullptr;
    if (posix_memalign(&block, alignment, size) != 0) throw std::bad_alloc();
    return block;
  }

  static void give(void* block) {
    if (!block) return;
    Cache& cache = get();
    size_t usable = malloc_usable_size(block);
    if (usable >= smallest) {
      std::lock_guard lock(cache.mutex_);
      if (cache.active) {
        size_t size = class_below(usable);
        cache.blocks_[size].push_back(block);
        cache.bytes_ += size;
        return;
      }
    }
    std::free(block);
  }

  mutable std::mutex mutex_;
  mutable std::map<size_t, std::vector<void*>> blocks_;
  mutable size_t bytes_ = 0;
  friend class hone::TensorMemory;
};

c10::Allocator* allocator_before = nullptr;
int users = 0;
std::mutex users_mutex;

}  // namespace

TensorMemory::TensorMemory() {
  std::lock_guard lock(users_mutex);
  if (users++ > 0) return;
  allocator_before = c10::GetCPUAllocator();
  Cache& cache = Cache::get();
  {
    std::lock_guard cache_lock(cache.mutex_);
    cache.active = true;
  }
  c10::SetCPUAllocator(&cache);
}

TensorMemory::~TensorMemory() {
  std::lock_guard lock(users_mutex);
  if (--users > 0) return;
  c10::SetCPUAllocator(allocator_before);
  Cache& cache = Cache::get();
  {
    std::lock_guard cache_lock(cache.mutex_);
    cache.active = false;
  }
  cache.trim();
}

void TensorMemory::trim() { Cache::get().trim(); }
size_t TensorMemory::cached_bytes() { return Cache::get().bytes(); }

}  // namespace hone
