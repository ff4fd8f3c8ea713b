#include "app/support/value_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hone::app {

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
}

void ValueError::add(std::span<const float> got, std::span<const float> wanted) {
  if (got.size() != wanted.size()) max_abs_ = noise_ = infinity;
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    double a = got[i], b = wanted[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (!std::isfinite(b)) continue;
    } else if (!std::isfinite(a) || !std::isfinite(b)) {
      max_abs_ = noise_ = infinity;
      continue;
    }
    max_abs_ = std::max(max_abs_, std::abs(a - b));
    largest_ = std::max(largest_, std::abs(b));
    noise_ += (a - b) * (a - b);
    signal_ += b * b;
    got_ += a * a;
    dot_ += a * b;
  }
}

double ValueError::max_rel() const { return max_abs_ == 0 ? 0 : largest_ == 0 ? infinity : max_abs_ / largest_; }

double ValueError::sqnr_db() const {
  if (noise_ == 0) return infinity;
  return signal_ == 0 || std::isinf(noise_) ? -infinity : 10 * std::log10(signal_ / noise_);
}

double ValueError::cosine() const {
  if (got_ == 0 && signal_ == 0) return std::isinf(noise_) ? 0 : 1;
  return got_ == 0 || signal_ == 0 ? 0 : dot_ / std::sqrt(got_) / std::sqrt(signal_);
}

}  // namespace hone::app
