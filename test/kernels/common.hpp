#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

namespace hone::kernels {

/// Seeded from HONE_SEED or the clock; `trace()` goes into every failure message.
struct Random {
  unsigned seed;
  std::mt19937 engine;
  Random()
      : seed(std::getenv("HONE_SEED") ? std::atoi(std::getenv("HONE_SEED")) : std::random_device{}()), engine(seed) {}
  std::string trace() const { return "HONE_SEED=" + std::to_string(seed); }
  int range(int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(engine); }
  float real(float lo, float hi) { return std::uniform_real_distribution<float>(lo, hi)(engine); }
  template <class T>
  T pick(std::initializer_list<T> of) {
    return of.begin()[range(0, static_cast<int>(of.size()) - 1)];
  }
  std::vector<float> floats(size_t n, float lo = -2, float hi = 2) {
    std::vector<float> v(n);
    for (auto& x : v) x = real(lo, hi);
    return v;
  }
  std::vector<uint8_t> bytes(size_t n) {
    std::vector<uint8_t> v(n);
    for (auto& x : v) x = static_cast<uint8_t>(range(0, 255));
    return v;
  }
};

inline std::vector<Isa> isas() {
  std::vector<Isa> found;
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512, Isa::vnni})
    if (isa_available(isa)) found.push_back(isa);
  return found;
}

/// The value of an 8-bit element as its type reads it.
inline int byte_value(DType type, uint8_t bits) { return type == DType::u8 ? bits : static_cast<int8_t>(bits); }

inline double act_reference(const Activation& act, double x) {
  const double a = act.alpha, b = act.beta;
  switch (act.kind) {
    case Act::none: return x;
    case Act::relu: return std::max(x, 0.0);
    case Act::clip: return std::min(std::max(x, a), b);
    case Act::leaky_relu: return x < 0 ? a * x : x;
    case Act::sigmoid: return 1 / (1 + std::exp(-x));
    case Act::hard_sigmoid: return std::min(std::max(a * x + b, 0.0), 1.0);
    case Act::hard_swish: return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Act::swish: return x / (1 + std::exp(-a * x));
    case Act::gelu: return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Act::tanh: return std::tanh(x);
    case Act::elu: return x < 0 ? a * std::expm1(x) : x;
    case Act::mish: return x * std::tanh(std::log1p(std::exp(x)));
    case Act::exp: return std::exp(x);
    case Act::sqrt: return std::sqrt(x);
    case Act::abs: return std::abs(x);
    case Act::neg: return -x;
    case Act::reciprocal: return 1 / x;
  }
  return x;
}

inline double element(const void* p, DType type, size_t i) {
  return type == DType::f32 ? static_cast<const float*>(p)[i] : byte_value(type, static_cast<const uint8_t*>(p)[i]);
}

/// The contract of Epilogue up to the last rounding.
inline double epilogue_reference(const Epilogue& e, double acc, size_t c, size_t index) {
  double v = (acc + (e.start ? e.start[c] : 0)) * (e.scale ? e.scale[c] : 1) + (e.bias ? e.bias[c] : 0);
  v = act_reference(e.act, v);
  if (e.residual) v += (element(e.residual, e.residual_type, index) - e.residual_zero) * e.residual_scale;
  return act_reference(e.act2, v);
}

/// `rows` rows of `length` bytes, `row` apart in y, side by side; what lies between them must be as it was, 0x5a. What
/// is behind the last row stays there.
inline std::vector<uint8_t> side_by_side(const std::vector<uint8_t>& y, int64_t rows, int64_t length, int64_t row) {
  std::vector<uint8_t> result;
  for (int64_t r = 0; r < rows; ++r) {
    const auto begin = y.begin() + r * row;
    result.insert(result.end(), begin, begin + length);
    EXPECT_EQ(std::count(begin + length, begin + row, 0x5a), row - length) << "written between rows";
  }
  result.insert(result.end(), y.begin() + rows * row, y.end());
  return result;
}

/// Checks one output: f32 within `tolerance` of the value (relative above 1), 8 bits within half a step (and a hair).
inline bool close_to(DType type, double out, double v, double inverse_scale, int zero, double tolerance) {
  if (type == DType::f32) return std::abs(out - v) <= tolerance * (1 + std::abs(v));
  double lo = type == DType::u8 ? 0 : -128, hi = type == DType::u8 ? 255 : 127;
  double wanted = std::min(std::max(v * inverse_scale + zero, lo), hi);
  return std::abs(out - wanted) <= 0.5 + 1e-3 + tolerance * std::abs(v * inverse_scale);
}

/// A random epilogue with the arrays it points to.
struct RandomEpilogue {
  Epilogue e;
  std::vector<int32_t> start;
  std::vector<float> scale, bias;
  std::vector<uint8_t> residual;

  /// `spread`: the usual size of an accumulator; `count`: elements of the output.
  RandomEpilogue(Random& random, int64_t channels, size_t count, float spread) {
    const DType types[] = {DType::f32, DType::u8, DType::i8};
    if (random.range(0, 3)) {
      scale = random.floats(channels, 0.5f / spread, 4 / spread);
      e.scale = scale.data();
    }
    if (random.range(0, 3)) {
      bias = random.floats(channels, -1, 1);
      e.bias = bias.data();
    }
    e.act = activation(random);
    e.out_type = types[random.range(0, 2)];
    if (e.out_type != DType::f32) {
      e.out_inverse_scale = (e.scale ? 1 : 1 / spread) * random.real(20, 60);
      e.out_zero = e.out_type == DType::u8 ? random.range(0, 255) : random.range(-128, 127);
    }
    if (random.range(0, 2) == 0) {
      e.residual_type = types[random.range(0, 2)];
      if (e.residual_type == DType::f32) {
        auto values = random.floats(count);
        residual.resize(count * 4);
        std::copy_n(reinterpret_cast<const uint8_t*>(values.data()), residual.size(), residual.begin());
      } else {
        residual = random.bytes(count);
        e.residual_scale = 0.02f;
        e.residual_zero = random.range(-100, 100);
      }
      e.residual = residual.data();
      if (random.range(0, 1)) e.act2 = {Act::relu};
    }
  }

  /// Gives every other epilogue of integer accumulators a bias in whole numbers.
  void add_start(Random& random, int64_t channels, float spread) {
    if (random.range(0, 1)) return;
    start.resize(static_cast<size_t>(channels) + 16);
    for (int32_t& number : start) number = static_cast<int32_t>(random.real(-spread, spread));
    e.start = start.data();
  }

  static Activation activation(Random& random) {
    switch (random.range(0, 11)) {
      case 0: return {Act::relu};
      case 1: return {Act::clip, random.real(-1, 0), random.real(0.2f, 6)};
      case 2: return {Act::leaky_relu, 0.1f};
      case 3: return {Act::hard_sigmoid, 0.2f, 0.5f};
      case 4: return {Act::hard_swish};
      case 5: return {Act::swish, 1};
      case 6: return {Act::gelu};
      case 7: return {Act::tanh};
      case 8: return {Act::elu, 1};
      case 9: return {Act::mish};
      case 10: return {Act::sigmoid};
      default: return {};
    }
  }
};

}  // namespace hone::kernels
