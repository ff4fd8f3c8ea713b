#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "graph/graph.hpp"

/// What tests of graphs share: seeded random inputs, comparison of results, counting of ops.
namespace hone::testing_tools {

/// A small counter-based generator, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
  }
  float real(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) / 16777216.0f; }
  template <class T>
  const T& pick(const std::vector<T>& choices) { return choices[next() % choices.size()]; }

 private:
  uint64_t state_;
};

inline Tensor random_tensor(DType dtype, const Dims& dims, uint64_t seed) {
  Random random(seed);
  Tensor x(dtype, dims);
  dispatch(dtype, [&](auto tag) {
    using T = decltype(tag);
    for (T& value : x.mutable_data<T>()) {
      if (is_float(dtype)) value = static_cast<T>(random.real(-1, 1));
      else value = static_cast<T>(dtype == DType::u8 || dtype == DType::i8 ? random.next() : random.next() % 100);
    }
  });
  return x;
}

/// Inputs for a graph; unknown sizes become `unknown`.
inline std::vector<Tensor> random_inputs(const Graph& graph, uint64_t seed, int64_t unknown = 2) {
  std::vector<Tensor> inputs;
  for (const Value* input : graph.inputs()) {
    Dims dims;
    for (const Dim& dim : input->shape().dims) dims.push_back(dim.known() ? dim.value : unknown);
    inputs.push_back(random_tensor(input->dtype(), dims, seed++));
  }
  return inputs;
}

/// Equal type and sizes, and |a - b| <= absolute + relative * |b| everywhere.
inline void expect_near(const Tensor& a, const Tensor& b, double relative, double absolute,
                        const std::string& what = "") {
  ASSERT_EQ(a.dtype(), b.dtype()) << what;
  ASSERT_EQ(a.dims(), b.dims()) << what;
  std::vector<float> x = a.to_floats(), y = b.to_floats();
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double excess = std::abs(double{x[i]} - y[i]) - absolute - relative * std::abs(double{y[i]});
    if (std::isnan(x[i]) != std::isnan(y[i])) excess = INFINITY;
    if (excess > worst) worst = excess, where = i;
  }
  EXPECT_EQ(worst, 0) << what << ": element " << where << " of " << x.size() << ": " << x[where] << " against "
                      << y[where];
}

inline int count_ops(const Graph& graph, std::string_view type) {
  int count = 0;
  for (const auto& node : graph.nodes()) count += node->is(type);
  return count;
}

}  // namespace hone::testing_tools
