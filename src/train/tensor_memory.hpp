#pragma once
#include <cstddef>

namespace hone {

/// While one of these lives, libtorch's large CPU tensors come from a cache of freed blocks. A training step frees and
/// allocates the same sizes over and over; given back to the system, every one of them costs page faults (a third of
/// the time of small networks). Blocks are plain malloc memory, so tensors may outlive the object.
class TensorMemory {
 public:
  TensorMemory();
  ~TensorMemory();  ///< gives the cached blocks back
  TensorMemory(const TensorMemory&) = delete;
  TensorMemory& operator=(const TensorMemory&) = delete;

  /// Gives the cached blocks back; worth it when the sizes of tensors change.
  static void trim();
  static size_t cached_bytes();
};

}  // namespace hone
