// Reductions over one axis, and layer normalization.
#include "kernels/reduce.hpp"

#include <math.h>

#include "kernels/simd/math.inl"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int64_t kPartial = 64;  ///< elements summed before they join the total

/// What an element becomes before it is combined, how two are combined, and the value to start with.
struct SumOf {
  static HONE_INLINE VF take(VF x) { return x; }
  static HONE_INLINE VF join(VF a, VF b) { return add(a, b); }
  static HONE_INLINE float start() { return 0; }
};
struct SumOfSquares : SumOf {
  static HONE_INLINE VF take(VF x) { return mul(x, x); }
};
struct SumOfMagnitudes : SumOf {
  static HONE_INLINE VF take(VF x) { return abs(x); }
};
struct Largest {
  static HONE_INLINE VF take(VF x) { return x; }
  static HONE_INLINE VF join(VF a, VF b) { return max(b, a); }
  static HONE_INLINE float start() { return -__builtin_inff(); }
};
struct Smallest {
  static HONE_INLINE VF take(VF x) { return x; }
  static HONE_INLINE VF join(VF a, VF b) { return min(b, a); }
  static HONE_INLINE float start() { return __builtin_inff(); }
};

template <class Kind>
HONE_INLINE float across(VF v) {
  float lanes[kLanes];
  store(lanes, v);
  float result = lanes[0];
  for (int i = 1; i < kLanes; ++i) {
    float pair[kLanes];
    store(pair, Kind::join(set1(result), set1(lanes[i])));
    result = pair[0];
  }
  return result;
}

/// A row of `length` neighbors.
template <class Kind>
HONE_INLINE float row(const float* x, int64_t length) {
  VF total = set1(Kind::start());
  int64_t i = 0;
  while (i + kLanes <= length) {
    VF part[4];
    unroll<4>([&](auto k) __attribute__((always_inline)) { part[k] = set1(Kind::start()); });
    const int64_t stop = i + kPartial * kLanes < length ? i + kPartial * kLanes : length;
    for (; i + 4 * kLanes <= stop; i += 4 * kLanes)
      unroll<4>([&](auto k) __attribute__((always_inline)) {
        part[k] = Kind::join(part[k], Kind::take(load(x + i + k * kLanes)));
      });
    for (; i + kLanes <= stop; i += kLanes) part[0] = Kind::join(part[0], Kind::take(load(x + i)));
    total = Kind::join(total, Kind::join(Kind::join(part[0], part[1]), Kind::join(part[2], part[3])));
  }
  for (; i < length; ++i) {  // one lane each
    float lanes[kLanes];
    store(lanes, total);
    VF joined = Kind::join(set1(lanes[i % kLanes]), Kind::take(set1(x[i])));
    float value[kLanes];
    store(value, joined);
    lanes[i % kLanes] = value[0];
    total = load(lanes);
  }
  return across<Kind>(total);
}

/// N vectors of neighboring columns of [length, inner].
template <class Kind, int N, class M>
HONE_INLINE void columns(const float* x, int64_t length, int64_t inner, VF (&total)[N], const M& m) {
  unroll<N>(HONE_EACH { total[i] = set1(Kind::start()); });
  for (int64_t first = 0; first < length; first += kPartial) {
    const int64_t stop = first + kPartial < length ? first + kPartial : length;
    VF part[N];
    unroll<N>(HONE_EACH { part[i] = set1(Kind::start()); });
    for (int64_t k = first; k < stop; ++k)
      unroll<N>(HONE_EACH { part[i] = Kind::join(part[i], Kind::take(load(x + k * inner + i * kLanes, m))); });
    unroll<N>(HONE_EACH { total[i] = Kind::join(total[i], part[i]); });
  }
}

template <class Kind>
void reduce_as(const float* x, int64_t length, int64_t inner, float factor, bool root, float* y, int64_t begin,
               int64_t end) {
  for (int64_t o = begin; o < end; ++o) {
    const float* from = x + o * length * inner;
    float* to = y + o * inner;
    if (inner == 1) {
      const float value = row<Kind>(from, length) * factor;
      to[0] = root ? sqrtf(value) : value;
      continue;
    }
    auto block = [&](auto n, int64_t c, const auto& m) __attribute__((always_inline)) {
      constexpr int N = decltype(n)::value;
      VF v[N];
      columns<Kind, N>(from + c, length, inner, v, m);
      unroll<N>(HONE_EACH {
        v[i] = mul(v[i], set1(factor));
        store(to + c + i * kLanes, root ? square_root(v[i]) : v[i], m);
      });
    };
    int64_t c = 0;
    for (; c + 4 * kLanes <= inner; c += 4 * kLanes) block(Index<4>{}, c, Full{});
    for (; c + kLanes <= inner; c += kLanes) block(Index<1>{}, c, Full{});
    if (c < inner) block(Index<1>{}, c, Part(static_cast<int>(inner - c)));
  }
}

void reduce_axis(Reduction kind, const float* x, int64_t length, int64_t inner, float* y, int64_t begin, int64_t end) {
  const float mean = 1.0f / static_cast<float>(length);
  switch (kind) {
    case Reduction::sum: return reduce_as<SumOf>(x, length, inner, 1, false, y, begin, end);
    case Reduction::mean: return reduce_as<SumOf>(x, length, inner, mean, false, y, begin, end);
    case Reduction::maximum: return reduce_as<Largest>(x, length, inner, 1, false, y, begin, end);
    case Reduction::minimum: return reduce_as<Smallest>(x, length, inner, 1, false, y, begin, end);
    case Reduction::sum_square: return reduce_as<SumOfSquares>(x, length, inner, 1, false, y, begin, end);
    case Reduction::l1: return reduce_as<SumOfMagnitudes>(x, length, inner, 1, false, y, begin, end);
    case Reduction::l2: return reduce_as<SumOfSquares>(x, length, inner, 1, true, y, begin, end);
  }
}

/// f(i, mask) over [0, count) a vector at a time.
template <class F>
HONE_INLINE void for_lanes(int64_t count, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, Full{});
  if (i < count) f(i, Part(static_cast<int>(count - i)));
}

HONE_INLINE VF zero_tail(VF v, const Full&) { return v; }
HONE_INLINE VF zero_tail(VF v, const Part& m) {
  float lanes[kLanes];
  store(lanes, v);
  for (int i = m.n; i < kLanes; ++i) lanes[i] = 0;
  return load(lanes);
}

void layer_norm(const float* x, int64_t length, float epsilon, const float* scale, const float* bias, float* y,
                int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* from = x + r * length;
    float* to = y + r * length;
    const float mean = row<SumOf>(from, length) / static_cast<float>(length);
    const VF center = set1(mean);
    VF squares = zero_f();
    for_lanes(length, [&](int64_t i, const auto& m) {
      const VF d = zero_tail(sub(load(from + i, m), center), m);
      squares = fma(d, d, squares);
    });
    const VF factor = set1(1 / sqrtf(sum(squares) / static_cast<float>(length) + epsilon));
    for_lanes(length, [&](int64_t i, const auto& m) {
      const VF normal = mul(sub(load(from + i, m), center), factor);
      store(to + i, fma(normal, load(scale + i, m), bias ? load(bias + i, m) : zero_f()), m);
    });
  }
}

}  // namespace

extern const ReduceKernels reduce;
const ReduceKernels reduce{reduce_axis, layer_norm};

}  // namespace hone::kernels::HONE_ISA
