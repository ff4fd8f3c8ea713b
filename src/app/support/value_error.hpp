#pragma once
#include <cstdint>
#include <span>

namespace hone::app {

/// How far values are from those wanted, over any number of tensors.
class ValueError {
 public:
  void add(std::span<const float> got, std::span<const float> wanted);
  double max_abs() const { return max_abs_; }  ///< infinite where one is NaN or infinite and the other is not the same
  /// Largest error over the largest wanted value; unlike an error relative to each element it means something near 0.
  double max_rel() const;
  double sqnr_db() const;  ///< 10 log10(sum wanted^2 / sum error^2); infinite when equal
  double cosine() const;   ///< 1 when both are all zeros
  double largest() const { return largest_; }

 private:
  double max_abs_ = 0, largest_ = 0, noise_ = 0, signal_ = 0, got_ = 0, dot_ = 0;
};

}  // namespace hone::app
