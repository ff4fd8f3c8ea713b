#pragma once
#include <cstdint>
#include <span>
#include <utility>

namespace hone {

/// A small random generator (PCG32, O'Neill 2014: 64-bit state, XSH-RR output) whose numbers are the same in every
/// build and run. The distributions are our own because those of the standard library differ between versions.
class Rng {
 public:
  explicit Rng(uint64_t seed = 0, uint64_t stream = 0);
  /// The generator of one item: independent for every (seed, epoch, index), whatever thread asks.
  static Rng of(uint64_t seed, uint64_t epoch, uint64_t index);

  uint32_t next_u32();
  uint64_t next_u64();
  /// Uniform in [0, 1).
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high);
  /// Uniform integer in [0, bound), unbiased; 0 when bound is 0.
  uint32_t below(uint32_t bound);
  /// Uniform integer in [low, high].
  int between(int low, int high);
  bool chance(double probability);
  /// Standard normal (Box-Muller).
  double normal();
  double normal(double mean, double deviation);

  /// Fisher-Yates, in place.
  template <class T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(static_cast<uint32_t>(i))]);
  }

 private:
  uint64_t state_ = 0;
  uint64_t increment_ = 1;
};

/// A well-mixed 64-bit hash of one number (splitmix64).
uint64_t mix_bits(uint64_t value);

}  // namespace hone
