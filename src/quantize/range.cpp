#include "quantize/range.hpp"

#include <algorithm>
#include <cmath>

namespace hone {

namespace {

const char* const method_names[] = {"min_max", "percentile", "mse", "mean_min_max", "entropy", "auto"};

// A scale below this is a constant zero (or noise around it); its inverse would overflow.
constexpr double smallest_scale = 1e-30;

// Sums over bins 0..i of n, n*v and n*v^2: the saturation error beyond any bound in constant time.
class ErrorModel {
 public:
  explicit ErrorModel(const Histogram& histogram) : histogram_(histogram) {
    sums_.reserve(histogram.counts().size() + 1);
    sums_.push_back({});
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      double n = static_cast<double>(histogram.counts()[i]);
      double v = histogram.bin_start(static_cast<int>(i)) + 0.5 * histogram.bin_width();
      const Sums& last = sums_.back();
      sums_.push_back({last.n + n, last.v + n * v, last.vv + n * v * v});
    }
  }

  double operator()(Range range) const {
    double steps = range.low < 0 && range.low == -range.high ? 254 : 255;
    double step = (range.high - range.low) / steps;
    const Sums &below = sums_[edge(range.low)], &upto = sums_[edge(range.high)], &all = sums_.back();
    Sums above{all.n - upto.n, all.v - upto.v, all.vv - upto.vv};
    return (upto.n - below.n) * step * step / 12 + squared_distance(below, range.low) +
           squared_distance(above, range.high);
  }

 private:
  struct Sums {
    double n = 0, v = 0, vv = 0;
  };
  static double squared_distance(const Sums& sums, double to) {
    return std::max(0.0, sums.vv - 2 * to * sums.v + to * to * sums.n);
  }
  size_t edge(double value) const {
    double position = (value - histogram_.bin_start(0)) / histogram_.bin_width();
    return static_cast<size_t>(std::clamp(std::round(position), 0.0, static_cast<double>(sums_.size() - 1)));
  }
  const Histogram& histogram_;
  std::vector<Sums> sums_;
};

// The value below which `wanted` of the values lie; zeros sit at 0.
double quantile(const Histogram& histogram, double wanted) {
  double seen = 0, width = histogram.bin_width();
  bool zeros_pending = histogram.zeros() > 0;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    double start = histogram.bin_start(static_cast<int>(i));
    if (zeros_pending && start >= 0) {
      seen += static_cast<double>(histogram.zeros());
      zeros_pending = false;
      if (seen >= wanted) return 0;
    }
    double n = static_cast<double>(histogram.counts()[i]);
    if (n > 0 && seen + n >= wanted)
      return std::clamp(start + width * (wanted - seen) / n, histogram.min(), histogram.max());
    seen += n;
  }
  return histogram.max();
}

Range percentile_range(const Histogram& histogram, double percentile) {
  double total = static_cast<double>(histogram.count()), tail = total * (1 - percentile / 100);
  // Fewer values than the tail has room for: nothing may be cut off.
  if (tail < 1) return {histogram.min(), histogram.max()};
  return {quantile(histogram, tail), quantile(histogram, total - tail)};
}

Range mse_range(const Histogram& histogram, bool symmetric) {
  Range full{std::min(0.0, histogram.min()), std::max(0.0, histogram.max())};
  if (symmetric && full.low < 0) {
    full.high = std::max(full.high, -full.low);
    full.low = -full.high;
  }
  ErrorModel error(histogram);
  Range best = full;
  double least = error(full);
  // Geometric steps: an outlier may be a thousand times larger than the rest.
  constexpr int candidates = 176, per_octave = 16;
  auto consider = [&](Range range) {
    double e = error(range);
    if (e < least) least = e, best = range;
  };
  for (int round = 0; round < 3; ++round) {
    Range start = best;
    for (int i = 0; i < candidates; ++i) {
      double factor = std::exp2(-static_cast<double>(i) / per_octave);
      if (symmetric && full.low < 0) consider({full.low * factor, full.high * factor});
      else if (full.high > 0) consider({start.low, full.high * factor});
    }
    start = best;
    if (full.low < 0 && !symmetric)
      for (int i = 0; i < candidates; ++i)
        consider({full.low * std::exp2(-static_cast<double>(i) / per_octave), start.high});
  }
  return best;
}

}  // namespace

const char* name_of(RangeMethod method) { return method_names[static_cast<size_t>(method)]; }

std::optional<RangeMethod> range_method_from_name(std::string_view name) {
  for (RangeMethod method : range_methods())
    if (name == name_of(method)) return method;
  return name == name_of(RangeMethod::automatic) ? std::optional(RangeMethod::automatic) : std::nullopt;
}

std::span<const RangeMethod> range_methods() {
  static const RangeMethod all[] = {RangeMethod::min_max, RangeMethod::percentile, RangeMethod::mse,
                                    RangeMethod::mean_min_max, RangeMethod::entropy};
  return all;
}

Range choose_range(const Histogram& histogram, RangeMethod method, double percentile, bool symmetric,
                   std::optional<Range> mean) {
  if (histogram.count() == 0) return {};
  Range range{histogram.min(), histogram.max()};
  if (method == RangeMethod::percentile) range = percentile_range(histogram, percentile);
  if (method == RangeMethod::mse) range = mse_range(histogram, symmetric);
  if (method == RangeMethod::mean_min_max && mean) range = *mean;
  if (method == RangeMethod::entropy) {
    // Of 256 steps, each sign has half.
    double top = entropy_threshold(histogram, range.low < 0 ? 128 : 256);
    range = {std::max(range.low, -top), std::min(range.high, top)};
  }
  range = {std::min(0.0, range.low), std::max(0.0, range.high)};
  if (symmetric && range.low < 0) {
    range.high = std::max(range.high, -range.low);
    range.low = -range.high;
  }
  return range;
}

TensorQuant quant_for(Range range, bool symmetric) {
  if (symmetric && range.low < 0) return signed_quant_for(range);
  double low = std::min(0.0, range.low), high = std::max(0.0, range.high), scale = (high - low) / 255;
  if (scale < smallest_scale) return {DType::u8, 1, 0};
  int zero_point = static_cast<int>(std::clamp(std::nearbyint(-low / scale), 0.0, 255.0));
  return {DType::u8, static_cast<float>(scale), zero_point};
}

TensorQuant signed_quant_for(Range range) {
  double scale = std::max(std::fabs(range.low), std::fabs(range.high)) / 127;
  return {DType::i8, scale < smallest_scale ? 1.0F : static_cast<float>(scale), 0};
}

double expected_error(const Histogram& histogram, Range range) { return ErrorModel(histogram)(range); }

}  // namespace hone
