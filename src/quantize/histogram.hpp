#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace hone {

/// The least and largest of some numbers.
struct Extremes {
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  bool finite = true;  ///< false when one is NaN or infinite
};
Extremes extremes(std::span<const float> values);

/// A histogram of all values seen so far in constant memory. Bins have a power of two as width and edges at
/// multiples of it; when the range outgrows them, neighbors are merged. Merging is exact, so the result does not
/// depend on the order of the values. Zeros are counted apart: every quantized type represents them exactly.
class Histogram {
 public:
  static constexpr int bins = 8192;

  /// Adds values. Returns false, without adding anything, when one is NaN or infinite.
  bool add(std::span<const float> values);

  int64_t count() const { return zeros_ + nonzeros_; }
  int64_t zeros() const { return zeros_; }
  int64_t nonzeros() const { return nonzeros_; }
  /// Exact extremes; 0 when nothing was added.
  double min() const { return count() ? min_ : 0; }
  double max() const { return count() ? max_ : 0; }
  double bin_width() const;
  double bin_start(int bin) const { return (first_ + bin) * bin_width(); }
  /// Nonzero values v with bin_start(bin) <= v < bin_start(bin + 1).
  const std::vector<int64_t>& counts() const { return counts_; }

 private:
  void cover(double low, double high);
  int64_t index_of(double value) const;
  void move_to(int64_t first, int halvings);
  std::vector<int64_t> counts_;
  int64_t first_ = 0;  // slot 0 starts at first_ * 2^exponent_
  int exponent_ = 0;
  int64_t zeros_ = 0, nonzeros_ = 0;
  double min_ = 0, max_ = 0;
};

}  // namespace hone
