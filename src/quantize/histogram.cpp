#include "quantize/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hone {

namespace {
// Below this, width and its inverse would leave the range of float; values that small share a bin.
constexpr int smallest_exponent = -100;
}  // namespace

double Histogram::bin_width() const { return std::ldexp(1.0, exponent_); }

int64_t Histogram::index_of(double value) const {
  return static_cast<int64_t>(std::floor(std::ldexp(value, -exponent_)));
}

// Bins of 2^halvings times the width, slot 0 at `first` (counted in the new width).
void Histogram::move_to(int64_t first, int halvings) {
  if (counts_.empty() || (halvings == 0 && first == first_)) {
    counts_.resize(bins);
  } else {
    std::vector<int64_t> moved(bins);
    halvings = std::min(halvings, 62);
    for (int i = 0; i < bins; ++i)
      if (counts_[i]) moved[static_cast<size_t>(((first_ + i) >> halvings) - first)] += counts_[i];
    counts_ = std::move(moved);
  }
  first_ = first;
}

void Histogram::cover(double low, double high) {
  double largest = std::max(std::fabs(low), std::fabs(high));
  int wanted = largest > 0 ? std::max(std::ilogb(largest) - 13, smallest_exponent) : smallest_exponent;
  int before = counts_.empty() ? wanted : exponent_;
  exponent_ = std::max(wanted, before);
  while (index_of(high) - index_of(low) >= bins) ++exponent_;
  int64_t begin = index_of(low), end = index_of(high) + 1;
  bool fits = !counts_.empty() && exponent_ == before && begin >= first_ && end <= first_ + bins;
  if (!fits) move_to(begin, exponent_ - before);
}

bool Histogram::add(std::span<const float> values) {
  if (values.empty()) return true;
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  int64_t zeros = 0;
  bool bad = false;
  for (float value : values) {
    low = value < low ? value : low;
    high = value > high ? value : high;
    zeros += value == 0;
    bad |= !(std::fabs(value) <= std::numeric_limits<float>::max());
  }
  if (bad) return false;
  min_ = count() ? std::min<double>(min_, low) : low;
  max_ = count() ? std::max<double>(max_, high) : high;
  cover(min_, max_);
  // Scaling by a power of two is exact: a value's bin does not depend on when the bins were widened.
  float scale = std::ldexp(1.0F, -exponent_);
  for (float value : values)
    counts_[static_cast<size_t>(static_cast<int64_t>(std::floor(value * scale)) - first_)] += value != 0;
  zeros_ += zeros;
  nonzeros_ += static_cast<int64_t>(values.size()) - zeros;
  return true;
}

}  // namespace hone
