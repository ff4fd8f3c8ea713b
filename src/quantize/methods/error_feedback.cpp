#include "quantize/methods/error_feedback.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/cpu.hpp"
#include "base/interrupt.hpp"
#include "base/threads.hpp"

// The inner loops are compiled for several instruction sets; the loader picks one. Sanitizers do not go with that.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define HONE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HONE_CLONES
#endif

namespace hone {

namespace {

constexpr int64_t block = 16;      // samples that are added to the moments at a time
constexpr int most_sweeps = 4;     // over the weights of a row, one step at a time
constexpr double least_ridge = 1e-4;

HONE_CLONES float dot(const float* a, const float* b, int64_t count) {
  constexpr int lanes = 16;
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  float sum = 0;
  for (float part : sums) sum += part;
  return sum;
}

HONE_CLONES void add_scaled(float* sum, const float* x, float factor, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += factor * x[i];
}

// Moments of input vectors in the order in which weights are rounded (last first).
class Moments {
 public:
  Moments(const RoundingProblem& problem, double input_step, bool centered)
      : p_(problem), length_(problem.length), train_(problem.samples - problem.samples / 4),
        mean_(static_cast<size_t>(length_), 0) {
    for (int64_t s = 0; s < train_; ++s) add_scaled(mean_.data(), input(s), 1 / static_cast<float>(train_), length_);
    sort_by_power();
    sum_up();
    shrink(input_step);
    if (centered) return;
    add_mean();
    mean_.assign(mean_.size(), 0);
  }

  int64_t length() const { return length_; }
  const std::vector<int64_t>& order() const { return order_; }
  // Row i, from column 0; symmetric.
  const float* row(int64_t i) const { return matrix_.data() + i * length_; }

  // Upper triangle M with M^T M the moments, each row divided by its diagonal.
  std::vector<float> unit_factor() const {
    std::vector<float> m(matrix_);
    for (int64_t i = 0; i < length_; ++i) {
      check_interrupt("quantize");
      float* pivot = m.data() + i * length_;
      // Rows below take this one's part away.
      const float diagonal = std::max(pivot[i], 1e-20F);
      for (int64_t j = i + 1; j < length_; ++j)
        if (pivot[j] != 0) add_scaled(m.data() + j * length_ + j, pivot + j, -pivot[j] / diagonal, length_ - j);
      for (int64_t j = i; j < length_; ++j) pivot[j] /= diagonal;
    }
    return m;
  }

  // Squared error of errors of weights (in this order) on the samples that were left out.
  double left_out(const std::vector<float>& errors) const {
    double sum = 0;
    std::vector<float> back(static_cast<size_t>(length_));
    for (size_t i = 0; i < errors.size(); ++i) back[static_cast<size_t>(order_[i])] = errors[i];
    const float shift = dot(back.data(), mean_.data(), length_);
    for (int64_t s = train_; s < p_.samples; ++s) {
      const double e = dot(back.data(), input(s), length_) - shift;
      sum += e * e;
    }
    return sum;
  }

 private:
  const float* input(int64_t sample) const { return p_.inputs + sample * p_.stride; }

  void sort_by_power() {
    std::vector<float> power(mean_.size(), 0);
    for (int64_t s = 0; s < train_; ++s)
      for (size_t k = 0; k < power.size(); ++k) {
        const float x = input(s)[k] - mean_[k];
        power[k] += x * x;
      }
    order_.resize(mean_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
      return power[static_cast<size_t>(a)] < power[static_cast<size_t>(b)];
    });
  }

  void sum_up() {
    matrix_.assign(static_cast<size_t>(length_ * length_), 0);
    std::vector<float> rows(static_cast<size_t>(block * length_));
    const float share = 1 / static_cast<float>(std::max<int64_t>(1, train_));
    for (int64_t begin = 0; begin < train_; begin += block) {
      check_interrupt("quantize");
      const int64_t count = std::min(block, train_ - begin);
      for (int64_t s = 0; s < count; ++s)
        for (int64_t i = 0; i < length_; ++i) {
          const auto k = static_cast<size_t>(order_[static_cast<size_t>(i)]);
          rows[static_cast<size_t>(s * length_ + i)] = input(begin + s)[k] - mean_[k];
        }
      for (int64_t i = 0; i < length_; ++i)
        for (int64_t s = 0; s < count; ++s) {
          const float* x = rows.data() + s * length_;
          if (x[i] != 0) add_scaled(matrix_.data() + i * length_ + i, x + i, share * x[i], length_ - i);
        }
    }
  }

  void shrink(double input_step) {
    const double few = static_cast<double>(length_) / static_cast<double>(length_ + train_);
    double trace = 0;
    for (int64_t i = 0; i < length_; ++i) trace += matrix_[static_cast<size_t>(i * length_ + i)];
    const double ridge = input_step * input_step / 12 + least_ridge * trace / static_cast<double>(length_) + 1e-20;
    for (int64_t i = 0; i < length_; ++i) {
      float* row = matrix_.data() + i * length_;
      row[i] += static_cast<float>(ridge);
      for (int64_t j = i + 1; j < length_; ++j) {
        row[j] *= static_cast<float>(1 - few);
        matrix_[static_cast<size_t>(j * length_ + i)] = row[j];
      }
    }
  }

  // The mean is known even where samples are few.
  void add_mean() {
    std::vector<float> mean;
    for (int64_t k : order_) mean.push_back(mean_[static_cast<size_t>(k)]);
    for (int64_t i = 0; i < length_; ++i)
      add_scaled(matrix_.data() + i * length_, mean.data(), mean[static_cast<size_t>(i)], length_);
  }

  const RoundingProblem& p_;
  int64_t length_, train_;
  std::vector<float> mean_;  // that a bias takes back
  std::vector<int64_t> order_;
  std::vector<float> matrix_;
};

/// One output channel, its weights in steps and in the order of the moments.
class Row {
 public:
  Row(const RoundingProblem& problem, const Moments& moments, int64_t index)
      : moments_(moments), low_(-static_cast<float>(problem.largest) - 1), high_(static_cast<float>(problem.largest)) {
    const float* weights = problem.weights + index * problem.length;
    for (int64_t k : moments.order()) exact_.push_back(weights[k] / problem.scales[index]);
  }

  void round_nearest() {
    rounded_.clear();
    for (float w : exact_) rounded_.push_back(nearest(w));
  }

  void round_in_turn(const std::vector<float>& factor) {
    std::vector<float> errors(exact_.size());
    rounded_.resize(exact_.size());
    const int64_t n = moments_.length();
    for (int64_t i = n - 1; i >= 0; --i) {
      const auto at = static_cast<size_t>(i);
      const float wanted = exact_[at] + dot(factor.data() + i * n + i + 1, errors.data() + i + 1, n - i - 1);
      rounded_[at] = nearest(wanted);
      errors[at] = exact_[at] - rounded_[at];
    }
  }

  // Changes single weights by a step while that makes the error less.
  void improve() {
    const std::vector<float> e = errors();
    std::vector<float> slope(e.size());
    const int64_t n = moments_.length();
    for (int64_t i = 0; i < n; ++i) slope[static_cast<size_t>(i)] = dot(moments_.row(i), e.data(), n);
    for (int sweep = 0; sweep < most_sweeps; ++sweep) {
      bool changed = false;
      for (int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<size_t>(i);
        const float step = slope[at] > 0 ? 1.0F : -1.0F;  // the error becomes less by it
        if (!(2 * std::fabs(slope[at]) > moments_.row(i)[i] * 1.0001F)) continue;
        if (rounded_[at] + step < low_ || rounded_[at] + step > high_) continue;
        rounded_[at] += step;
        add_scaled(slope.data(), moments_.row(i), -step, n);
        changed = true;
      }
      if (!changed) return;
    }
  }

  std::vector<float> errors() const {
    std::vector<float> result(exact_);
    for (size_t i = 0; i < result.size(); ++i) result[i] -= rounded_[i];
    return result;
  }
  double left_out() const { return moments_.left_out(errors()); }
  void write(int8_t* row) const {
    for (size_t i = 0; i < rounded_.size(); ++i)
      row[moments_.order()[i]] = static_cast<int8_t>(rounded_[i]);
  }

 private:
  float nearest(float w) const { return std::clamp(std::nearbyint(w), low_, high_); }

  const Moments& moments_;
  float low_, high_;
  std::vector<float> exact_, rounded_;
};

}  // namespace

std::vector<int8_t> round_with_feedback(const RoundingProblem& problem, double input_step, bool centered) {
  std::vector<int8_t> result(static_cast<size_t>(problem.rows * problem.length));
  const Moments moments(problem, input_step, centered);
  const std::vector<float> factor = moments.unit_factor();
  ThreadPool pool(problem.rows > 1 ? cpu_features().cores : 1);
  pool.parallel_for(problem.rows, [&](int64_t r, int) {
    Row nearest(problem, moments, r), row(problem, moments, r);
    nearest.round_nearest();
    row.round_in_turn(factor);
    row.improve();
    const bool better = row.left_out() < nearest.left_out();
    (better ? row : nearest).write(result.data() + r * problem.length);
  });
  return result;
}

}  // namespace hone
