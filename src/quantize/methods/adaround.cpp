#include "quantize/methods/adaround.hpp"

#include <algorithm>
#include <cmath>
#include <random>

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

constexpr float gamma = -0.1F, zeta = 1.1F;  // the stretch of the sigmoid, below equation 23
constexpr double warm_up = 0.2;              // share of the iterations without regularization
constexpr float beta_begin = 20, beta_end = 2;

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

float stretched(float v) { return std::clamp((zeta - gamma) / (1 + std::exp(-v)) + gamma, 0.0F, 1.0F); }

// What one output channel learns.
struct Row {
  std::vector<float> v, momentum, square;
  std::vector<float> fraction;  // w / s - floor(w / s)
};

class Learner {
 public:
  Learner(const RoundingProblem& problem, const RoundingOptions& options) : p_(problem), o_(options) {
    double sum = 0;
    for (int64_t s = 0; s < p_.samples; ++s) sum += dot(input(s), input(s), p_.length);
    double mean = sum / std::max(1.0, static_cast<double>(p_.samples * p_.length));
    unit_ = mean > 0 ? static_cast<float>(1 / std::sqrt(mean)) : 0;
    for (int64_t r = 0; r < p_.rows; ++r) rows_.push_back(start(r));
  }

  std::vector<int8_t> run() {
    ThreadPool pool(cpu_features().cores);
    std::mt19937_64 random(o_.seed);
    for (int step = 0; step < o_.iterations; ++step) {
      check_interrupt("quantize");
      uint64_t begin = random() % static_cast<uint64_t>(p_.samples);
      pool.parallel_for(p_.rows, [&](int64_t r, int) { update(r, step, static_cast<int64_t>(begin)); });
    }
    std::vector<int8_t> nearest = round_nearest(), learned(nearest.size());
    for (int64_t r = 0; r < p_.rows; ++r)
      for (int64_t k = 0; k < p_.length; ++k)
        learned[at(r, k)] = rounded(r, k, stretched(rows_[static_cast<size_t>(r)].v[static_cast<size_t>(k)]) >= 0.5F);
    std::vector<double> before = rounding_errors(p_, nearest), after = rounding_errors(p_, learned);
    for (int64_t r = 0; r < p_.rows; ++r)
      if (!(after[static_cast<size_t>(r)] < before[static_cast<size_t>(r)]))
        std::copy_n(nearest.begin() + r * p_.length, p_.length, learned.begin() + r * p_.length);
    return learned;
  }

 private:
  size_t at(int64_t row, int64_t k) const { return static_cast<size_t>(row * p_.length + k); }
  const float* input(int64_t sample) const { return p_.inputs + sample * p_.stride; }

  int8_t rounded(int64_t row, int64_t k, bool up) const {
    float down = std::floor(p_.weights[at(row, k)] / p_.scales[row]);
    float limit = static_cast<float>(p_.largest);
    return static_cast<int8_t>(std::clamp(down + (up ? 1.0F : 0.0F), -limit, limit));
  }

  std::vector<int8_t> round_nearest() const {
    std::vector<int8_t> result(static_cast<size_t>(p_.rows * p_.length));
    float limit = static_cast<float>(p_.largest);
    for (int64_t r = 0; r < p_.rows; ++r)
      for (int64_t k = 0; k < p_.length; ++k)
        result[at(r, k)] =
            static_cast<int8_t>(std::clamp(std::nearbyint(p_.weights[at(r, k)] / p_.scales[r]), -limit, limit));
    return result;
  }

  // V such that h(V) is the fraction: the weights as they are.
  Row start(int64_t r) const {
    size_t length = static_cast<size_t>(p_.length);
    Row row{std::vector<float>(length), std::vector<float>(length), std::vector<float>(length),
            std::vector<float>(length)};
    for (int64_t k = 0; k < p_.length; ++k) {
      float exact = p_.weights[at(r, k)] / p_.scales[r], fraction = exact - std::floor(exact);
      row.fraction[static_cast<size_t>(k)] = fraction;
      row.v[static_cast<size_t>(k)] = -std::log((zeta - gamma) / (fraction - gamma) - 1);
    }
    return row;
  }

  // Gradient of the error over one batch with regard to the rounded weights (in units of the scale).
  std::vector<float> error_gradient(int64_t r, const Row& row, int64_t begin) const {
    std::vector<float> change(static_cast<size_t>(p_.length)), gradient(static_cast<size_t>(p_.length));
    for (size_t k = 0; k < change.size(); ++k) change[k] = stretched(row.v[k]) - row.fraction[k];
    int64_t batch = std::min<int64_t>(o_.batch, p_.samples);
    const float* w = p_.weights + r * p_.length;
    for (int64_t b = 0; b < batch; ++b) {
      const float* x = input((begin + b) % p_.samples);
      float difference = dot(change.data(), x, p_.length);
      if (p_.relu) {
        float y = (dot(w, x, p_.length) + (p_.bias ? p_.bias[r] : 0)) / p_.scales[r];
        if (y + difference <= 0) continue;           // the result is 0 and stays 0
        if (y < 0) difference += y;                  // the exact result is 0
      }
      add_scaled(gradient.data(), x, 2 * difference * unit_ * unit_ / static_cast<float>(batch), p_.length);
    }
    return gradient;
  }

  void update(int64_t r, int step, int64_t begin) {
    Row& row = rows_[static_cast<size_t>(r)];
    std::vector<float> gradient = error_gradient(r, row, begin);
    float progress = static_cast<float>(step) / static_cast<float>(o_.iterations);
    bool regularize = progress >= warm_up;
    float done = (progress - static_cast<float>(warm_up)) / (1 - static_cast<float>(warm_up));
    float beta = beta_end + (beta_begin - beta_end) * 0.5F * (1 + std::cos(3.14159265F * std::clamp(done, 0.0F, 1.0F)));
    constexpr float keep1 = 0.9F, keep2 = 0.999F;
    float correct1 = 1 - std::pow(keep1, static_cast<float>(step + 1)),
          correct2 = 1 - std::pow(keep2, static_cast<float>(step + 1));
    for (size_t k = 0; k < row.v.size(); ++k) {
      float sigmoid = 1 / (1 + std::exp(-row.v[k])), raw = sigmoid * (zeta - gamma) + gamma;
      float slope = raw > 0 && raw < 1 ? sigmoid * (1 - sigmoid) * (zeta - gamma) : 0;
      float h = std::clamp(raw, 0.0F, 1.0F), g = gradient[k];
      if (regularize) {
        float distance = 2 * h - 1;
        g -= o_.lambda * 2 * beta * std::copysign(std::pow(std::fabs(distance), beta - 1), distance);
      }
      g *= slope;
      row.momentum[k] = keep1 * row.momentum[k] + (1 - keep1) * g;
      row.square[k] = keep2 * row.square[k] + (1 - keep2) * g * g;
      row.v[k] -= o_.rate * (row.momentum[k] / correct1) / (std::sqrt(row.square[k] / correct2) + 1e-8F);
    }
  }

  const RoundingProblem& p_;
  const RoundingOptions& o_;
  float unit_ = 0;
  std::vector<Row> rows_;
};

}  // namespace

std::vector<double> rounding_errors(const RoundingProblem& problem, const std::vector<int8_t>& rounded) {
  std::vector<double> errors(static_cast<size_t>(problem.rows));
  ThreadPool pool(cpu_features().cores);
  pool.parallel_for(problem.rows, [&](int64_t r, int) {
    const float* w = problem.weights + r * problem.length;
    std::vector<float> approximate(static_cast<size_t>(problem.length));
    for (int64_t k = 0; k < problem.length; ++k)
      approximate[static_cast<size_t>(k)] = problem.scales[r] * rounded[static_cast<size_t>(r * problem.length + k)];
    double sum = 0;
    for (int64_t s = 0; s < problem.samples; ++s) {
      const float* x = problem.inputs + s * problem.stride;
      float bias = problem.bias ? problem.bias[r] : 0;
      float exact = dot(w, x, problem.length) + bias, got = dot(approximate.data(), x, problem.length) + bias;
      if (problem.relu) exact = std::max(exact, 0.0F), got = std::max(got, 0.0F);
      double difference = (static_cast<double>(got) - exact) / problem.scales[r];
      sum += difference * difference;
    }
    errors[static_cast<size_t>(r)] = sum / std::max<double>(1, static_cast<double>(problem.samples));
  });
  return errors;
}

std::vector<int8_t> learn_rounding(const RoundingProblem& problem, const RoundingOptions& options) {
  return Learner(problem, options).run();
}

}  // namespace hone
