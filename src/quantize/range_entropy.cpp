#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quantize/range.hpp"

namespace hone {

namespace {

constexpr int magnitude_bins = 2048;

// Counts of magnitudes in `magnitude_bins` bins up to the largest one. A bin of the histogram is shared out among
// those that it overlaps.
std::vector<double> magnitudes(const Histogram& histogram, double largest) {
  std::vector<double> counts(magnitude_bins, 0);
  double width = largest / magnitude_bins, source = histogram.bin_width();
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    double count = static_cast<double>(histogram.counts()[i]);
    if (count == 0) continue;
    double start = histogram.bin_start(static_cast<int>(i));
    double low = std::max(0.0, start >= 0 ? start : -(start + source));
    double high = std::min(low + source, largest);
    int first = std::min(static_cast<int>(low / width), magnitude_bins - 1);
    int last = std::clamp(static_cast<int>(std::ceil(high / width)) - 1, first, magnitude_bins - 1);
    for (int bin = first; bin <= last; ++bin) counts[static_cast<size_t>(bin)] += count / (last - first + 1);
  }
  return counts;
}

// Divergence of the first `size` bins, with all above added to the last one, from the same in `levels` steps: each
// step's count is spread over those of its bins that were not empty.
double divergence(const std::vector<double>& counts, int size, int levels, double above) {
  double total = above, kept = 0;
  for (int i = 0; i < size; ++i) kept += counts[static_cast<size_t>(i)];
  total += kept;
  if (kept <= 0) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (int level = 0; level < levels; ++level) {
    int begin = static_cast<int>(static_cast<int64_t>(level) * size / levels);
    int end = static_cast<int>(static_cast<int64_t>(level + 1) * size / levels);
    double count = 0;
    int occupied = 0;
    for (int i = begin; i < end; ++i) {
      count += counts[static_cast<size_t>(i)];
      occupied += counts[static_cast<size_t>(i)] > 0;
    }
    for (int i = begin; i < end; ++i) {
      double p = counts[static_cast<size_t>(i)], q = p > 0 ? count / occupied : 0;
      if (i == size - 1) p += above;
      if (p <= 0) continue;
      // What the clipped part adds to an empty last bin has no counterpart: a small probability stands for it.
      sum += p / total * std::log(p / total / std::max(q / kept, 1e-12));
    }
  }
  return sum;
}

}  // namespace

double entropy_threshold(const Histogram& histogram, int levels) {
  double largest = std::max(std::fabs(histogram.min()), std::fabs(histogram.max()));
  if (histogram.nonzeros() == 0 || largest <= 0) return largest;
  std::vector<double> counts = magnitudes(histogram, largest);
  double above = 0, least = std::numeric_limits<double>::infinity();
  for (double count : counts) above += count;
  for (int i = 0; i < levels; ++i) above -= counts[static_cast<size_t>(i)];
  int best = magnitude_bins, step = 4;
  for (int size = levels; size <= magnitude_bins; size += step) {
    double found = divergence(counts, size, levels, std::max(0.0, above));
    if (found < least) least = found, best = size;
    for (int i = size; i < std::min(size + step, magnitude_bins); ++i) above -= counts[static_cast<size_t>(i)];
  }
  return largest * best / magnitude_bins;
}

}  // namespace hone
