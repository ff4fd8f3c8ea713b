#pragma once
#include <cstddef>
#include <vector>

namespace hone {

/// A block of memory that is needed from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
};

struct ArenaLayout {
  std::vector<size_t> offsets;  ///< one per lifetime, 64-byte aligned
  size_t bytes = 0;             ///< of the whole arena
  size_t largest_live = 0;      ///< lower bound: the largest sum of bytes alive at one step
};

/// Packs blocks so that those alive at the same time do not overlap, each at the lowest offset that is free: largest
/// first (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020: greedy by size), and
/// where that leaves gaps, also those of the fullest steps first (their greedy by breadth) and in order of time; the
/// smallest arena wins.
ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes);

/// The largest sum of bytes alive at one step.
size_t largest_live(const std::vector<Lifetime>& lifetimes);

/// A plan that says how its activations are packed: Plan::arena_bytes() compared with the least that would do.
class PackedActivations {
 public:
  virtual ~PackedActivations() = default;
  virtual size_t largest_live_bytes() const = 0;
};

}  // namespace hone
