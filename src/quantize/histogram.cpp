#include "quantize/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hone {

namespace {
// Below this, width and its inverse would leave the range of float; values that small share a bin.
constexpr int smallest_exponent = -100;

constexpr size_t block = 512;  // values that find their bins at a time
}  // namespace

// In independent lanes, so that compilers use vector instructions.
Extremes extremes(std::span<const float> values) {
  constexpr size_t lanes = 16;
  Extremes all;
  float low[lanes], high[lanes];
  int32_t bad[lanes] = {};
  std::fill_n(low, lanes, all.low);
  std::fill_n(high, lanes, all.high);
  auto take = [&](float value, size_t lane) {
    low[lane] = value < low[lane] ? value : low[lane];
    high[lane] = value > high[lane] ? value : high[lane];
    bad[lane] |= !(std::fabs(value) <= std::numeric_limits<float>::max());
  };
  size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane) take(values[i + lane], lane);
  for (; i < values.size(); ++i) take(values[i], 0);
  for (size_t lane = 0; lane < lanes; ++lane) {
    all.low = std::min(all.low, low[lane]);
    all.high = std::max(all.high, high[lane]);
    all.finite &= !bad[lane];
  }
  return all;
}

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
  Extremes seen = extremes(values);
  if (!seen.finite) return false;
  min_ = count() ? std::min<double>(min_, seen.low) : seen.low;
  max_ = count() ? std::max<double>(max_, seen.high) : seen.high;
  cover(min_, max_);
  // Scaling by a power of two is exact: a value's bin does not depend on when the bins were widened.
  float scale = std::ldexp(1.0F, -exponent_);
  int32_t first = static_cast<int32_t>(first_);
  int32_t slots[block];
  // Zeros are many: they go to one of several counters, as adding to one again and again would wait for memory.
  int64_t sinks[8] = {};
  for (size_t begin = 0; begin < values.size(); begin += block) {
    auto part = values.subspan(begin, std::min(block, values.size() - begin));
    for (size_t i = 0; i < part.size(); ++i) {
      float position = part[i] * scale;
      int32_t bin = static_cast<int32_t>(position);
      slots[i] = bin - (position < static_cast<float>(bin)) - first;  // floor without a call
    }
    for (size_t i = 0; i < part.size(); ++i)
      ++*(part[i] != 0 ? &counts_[static_cast<size_t>(slots[i])] : &sinks[i % 8]);
  }
  int64_t zeros = std::accumulate(std::begin(sinks), std::end(sinks), int64_t{0});
  zeros_ += zeros;
  nonzeros_ += static_cast<int64_t>(values.size()) - zeros;
  return true;
}

}  // namespace hone
