#pragma once
#include <memory>

#include "tensor/tensor.hpp"

namespace hone {

/// Memory for many tensors of middle size: they share blocks of large pages, which take less time to get than small
/// pages one by one and are read faster. A block is freed with the last of its parts. For one thread.
class BlockMemory {
 public:
  /// Aligned to 64 bytes, not initialized. Throws Error when there is none.
  std::shared_ptr<void> take(size_t bytes) {
    if (bytes < kLeast || bytes > kBlock / 4) return allocate(bytes);
    if (!block_ || used_ + bytes > kBlock) {
      block_ = allocate(kBlock);
      used_ = 0;
    }
    std::shared_ptr<void> part(block_, static_cast<char*>(block_.get()) + used_);
    used_ += (bytes + 63) / 64 * 64;
    return part;
  }

 private:
  static constexpr size_t kBlock = size_t{8} << 20, kLeast = 4096;
  std::shared_ptr<void> block_;
  size_t used_ = 0;
};

}  // namespace hone
