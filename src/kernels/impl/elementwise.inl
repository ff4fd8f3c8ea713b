// Elementwise kernels: operands are widened to f32 in registers, four vectors at a time.
#include "kernels/elementwise.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kStep = 4;  ///< vectors per pass: what is decided per pass (types, operation) costs little

/// The integers of an 8-bit operand as they are stored.
template <int N, class M>
HONE_INLINE void load_stored(const Operand& x, int64_t i, VF (&v)[N], const M& m) {
  const auto* bytes = static_cast<const uint8_t*>(x.data) + i;
  if (x.type == DType::u8)
    unroll<N>([&](auto k)
                  __attribute__((always_inline)) { v[k] = to_float(widen_u8(load_bytes(bytes + k * kLanes, m))); });
  else
    unroll<N>([&](auto k)
                  __attribute__((always_inline)) { v[k] = to_float(widen_i8(load_bytes(bytes + k * kLanes, m))); });
}

template <int N, class M>
HONE_INLINE void load_operand(const Operand& x, int64_t i, VF (&v)[N], const M& m) {
  if (x.type == DType::f32) {
    unroll<N>([&](auto k) __attribute__((always_inline)) {
      v[k] = load(static_cast<const float*>(x.data) + i + k * kLanes, m);
    });
    return;
  }
  const VF zero = set1(static_cast<float>(x.zero)), scale = set1(x.scale);
  load_stored<N>(x, i, v, m);
  unroll<N>([&](auto k) __attribute__((always_inline)) { v[k] = mul(sub(v[k], zero), scale); });
}

HONE_INLINE int stored_scalar(const Operand& x) {
  const uint8_t bits = *static_cast<const uint8_t*>(x.data);
  return x.type == DType::u8 ? bits : static_cast<int8_t>(bits);
}
HONE_INLINE float scalar_of(const Operand& x) {
  if (x.type == DType::f32) return *static_cast<const float*>(x.data);
  return static_cast<float>(stored_scalar(x) - x.zero) * x.scale;
}

Epilogue epilogue_of(const Activation& act, const Target& target) {
  Epilogue e;
  e.act = act;
  e.out_type = target.type;
  e.out_inverse_scale = 1 / target.scale;
  e.out_zero = target.zero;
  return e;
}

template <int N>
HONE_INLINE void combine(Binary op, VF (&a)[N], const VF (&b)[N]) {
  switch (op) {
    case Binary::add: unroll<N>(HONE_EACH { a[i] = add(a[i], b[i]); }); break;
    case Binary::sub: unroll<N>(HONE_EACH { a[i] = sub(a[i], b[i]); }); break;
    case Binary::mul: unroll<N>(HONE_EACH { a[i] = mul(a[i], b[i]); }); break;
    case Binary::div: unroll<N>(HONE_EACH { a[i] = div(a[i], b[i]); }); break;
    case Binary::min: unroll<N>(HONE_EACH { a[i] = min(a[i], b[i]); }); break;
    case Binary::max: unroll<N>(HONE_EACH { a[i] = max(a[i], b[i]); }); break;
    case Binary::prelu: unroll<N>(HONE_EACH { a[i] = select(less(a[i], zero_f()), mul(a[i], b[i]), a[i]); }); break;
  }
}

/// f(Index<vectors>, i, mask) over the elements [begin, end).
template <class F>
HONE_INLINE void for_elements(int64_t begin, int64_t end, F f) {
  int64_t i = begin;
  for (; i + kStep * kLanes <= end; i += kStep * kLanes) f(Index<kStep>{}, i, Full{});
  for (; i + kLanes <= end; i += kLanes) f(Index<1>{}, i, Full{});
  if (i < end) f(Index<1>{}, i, Part(static_cast<int>(end - i)));
}

template <int N, class M>
HONE_INLINE void binary_block(const BinaryJob& job, const Post& post, int64_t i, int64_t j, const VF* b_scalar, void* y,
                              const M& m) {
  VF a[N], b[N];
  load_operand<N>(job.a, i, a, m);
  if (b_scalar)
    unroll<N>([&](auto k) __attribute__((always_inline)) { b[k] = *b_scalar; });
  else
    load_operand<N>(job.b, j, b, m);
  const ChannelPost cp = load_post(post, 0, m);
  if (job.swapped) {
    combine<N>(job.op, b, a);
    finish<N>(post, cp, b, y, i, kLanes, m);
  } else {
    combine<N>(job.op, a, b);
    finish<N>(post, cp, a, y, i, kLanes, m);
  }
}

/// f(Index<vectors>, element of a, element of b, mask) over rows; a scalar's element means nothing.
template <class F>
HONE_INLINE void for_pairs(const BinaryJob& job, int64_t row_begin, int64_t row_end, F f) {
  if (job.broadcast == Broadcast::same || job.broadcast == Broadcast::scalar)
    return for_elements(row_begin * job.channels, row_end * job.channels,
                        [&](auto n, int64_t i, const auto& m) { f(n, i, i, m); });
  for (int64_t r = row_begin; r < row_end; ++r) {
    const int64_t at = r * job.channels;
    const int64_t other = job.broadcast == Broadcast::gate ? r / job.rows_per_image * job.channels : 0;
    for_elements(0, job.channels, [&](auto n, int64_t c, const auto& m) { f(n, at + c, other + c, m); });
  }
}

/// Sums and products of 8-bit operands as BinaryJob says.
struct ByteBinary {
  VF a, b, a_zero, b_zero, factor, shift, top;
  ByteRules rules;

  static bool takes(const BinaryJob& job) {
    return (job.op == Binary::add || job.op == Binary::mul) && job.a.type != DType::f32 && job.b.type != DType::f32 &&
           job.target.type != DType::f32 && clamp_of(job.act).is;
  }
  explicit ByteBinary(const BinaryJob& job)
      : a(set1(job.a.scale / job.target.scale)),
        b(set1(job.b.scale / job.target.scale)),
        a_zero(set1(static_cast<float>(job.a.zero))),
        b_zero(set1(static_cast<float>(job.b.zero))),
        factor(set1(job.a.scale * job.b.scale / job.target.scale)),
        shift(set1(job.op == Binary::add ? zeros(job) : static_cast<float>(job.target.zero))),
        top(set1(1e9f)),
        rules(rules_of(job)) {}

  HONE_INLINE VI sum(VF p, VF q, bool swapped) const {
    return to_int(min(top, swapped ? fma(q, b, fma(p, a, shift)) : fma(p, a, fma(q, b, shift))));
  }
  HONE_INLINE VI product(VF p, VF q) const {
    return to_int(min(top, fma(mul(sub(p, a_zero), sub(q, b_zero)), factor, shift)));
  }

 private:
  static float zeros(const BinaryJob& job) {
    const Operand &first = job.swapped ? job.b : job.a, &second = job.swapped ? job.a : job.b;
    const float other = second.scale / job.target.scale * static_cast<float>(second.zero);
    const float both = __builtin_fmaf(first.scale / job.target.scale, static_cast<float>(first.zero), other);
    return static_cast<float>(job.target.zero) - both;
  }
  static ByteRules rules_of(const BinaryJob& job) {
    const Epilogue e = epilogue_of(job.act, job.target);
    const Clamp clamp = clamp_of(job.act);
    float lo = clamp.lo / job.target.scale, hi = clamp.hi / job.target.scale;
    return byte_rules(e, 0, lo, hi);  // the zero point is in the sum already
  }
};

template <int N, class M>
HONE_INLINE void byte_binary_block(const BinaryJob& job, const ByteBinary& form, int64_t i, int64_t j,
                                   const VF* b_scalar, void* y, const M& m) {
  VF p[N], q[N];
  load_stored<N>(job.a, i, p, m);
  if (b_scalar)
    unroll<N>([&](auto k) __attribute__((always_inline)) { q[k] = *b_scalar; });
  else
    load_stored<N>(job.b, j, q, m);
  VI v[4];
  if (job.op == Binary::add)
    unroll<4>(HONE_EACH { v[i] = form.sum(p[i < N ? i : 0], q[i < N ? i : 0], job.swapped); });
  else
    unroll<4>(HONE_EACH { v[i] = form.product(p[i < N ? i : 0], q[i < N ? i : 0]); });
  store_bytes4<N>(form.rules, v[0], v[1], v[2], v[3], static_cast<uint8_t*>(y) + i, kLanes, m);
}

void binary(const BinaryJob& job, void* y, int64_t row_begin, int64_t row_end) {
  const bool scalar = job.broadcast == Broadcast::scalar;
  if (ByteBinary::takes(job)) {
    const ByteBinary form(job);
    const VF b = set1(scalar ? static_cast<float>(stored_scalar(job.b)) : 0);
    return for_pairs(job, row_begin, row_end, [&](auto n, int64_t i, int64_t j, const auto& m) {
      byte_binary_block<decltype(n)::value>(job, form, i, j, scalar ? &b : nullptr, y, m);
    });
  }
  const Epilogue e = epilogue_of(job.act, job.target);
  const Post post = prepare(e);
  const VF b = set1(scalar ? scalar_of(job.b) : 0);
  for_pairs(job, row_begin, row_end, [&](auto n, int64_t i, int64_t j, const auto& m) {
    binary_block<decltype(n)::value>(job, post, i, j, scalar ? &b : nullptr, y, m);
  });
}

/// v / scale as a division rounds it, without one (Markstein 1990): in the middle between two steps the last bit
/// decides. Far beyond the steps of 8 bits it is only as far.
struct Quotient {
  VF scale, inverse, far;
  explicit Quotient(float s) : scale(set1(s)), inverse(set1(1 / s)), far(set1(1e6f)) {}
  HONE_INLINE VF operator()(VF v) const {
    if constexpr (kLanes == 4) return div(v, scale);  // no fused multiply-add there
    const VF q = min(max(mul(v, inverse), sub(zero_f(), far)), far);
    return fma(fnma(q, scale, v), inverse, q);
  }
};

/// With the factor 1 / scale where the result is 8 bits.
void multiply_range(const Operand& x, const Post& post, void* y, int64_t x_at, int64_t y_at, int64_t count) {
  for_elements(0, count, [&](auto n, int64_t i, const auto& m) {
    VF v[decltype(n)::value];
    load_operand(x, x_at + i, v, m);
    finish(post, load_post(post, 0, m), v, y, y_at + i, kLanes, m);
  });
}

void convert_range(const Operand& x, const Epilogue& e, float scale, void* y, int64_t x_at, int64_t y_at,
                   int64_t count) {
  if (e.out_type == DType::f32) return multiply_range(x, prepare(e), y, x_at, y_at, count);
  const Quotient quotient(scale);
  const ByteRange range = byte_range(e.out_type, e.out_zero);
  const VF lo = set1(range.lo), hi = set1(range.hi);
  const ByteRules rules(e.out_type == DType::u8, e.out_zero, static_cast<int>(range.lo) + e.out_zero,
                        static_cast<int>(range.hi) + e.out_zero);
  for_elements(0, count, [&](auto n, int64_t at, const auto& m) {
    constexpr int N = decltype(n)::value;
    VF v[N];
    load_operand(x, x_at + at, v, m);
    if (e.act.kind != Act::none) activate(v, N, e.act);
    VI q[4];
    unroll<4>(HONE_EACH { q[i] = to_int(min(max(quotient(v[i < N ? i : 0]), lo), hi)); });
    store_bytes4<N>(rules, q[0], q[1], q[2], q[3], static_cast<uint8_t*>(y) + y_at + at, kLanes, m);
  });
}

void convert(const ConvertJob& job, void* y, int64_t begin, int64_t end) {
  convert_range(job.x, epilogue_of(job.act, job.target), job.target.scale, y, begin, begin, end - begin);
}

void affine(const AffineJob& job, void* y, int64_t row_begin, int64_t row_end) {
  Epilogue e = epilogue_of(job.act, job.target);
  e.scale = job.scale;
  e.bias = job.bias;
  const Post post = prepare(e);
  const int64_t x_row = job.x_row > 0 ? job.x_row : job.channels, y_row = job.y_row > 0 ? job.y_row : job.channels;
  for (int64_t c = 0; c < job.channels; c += kLanes) {
    const int left = job.channels - c < kLanes ? static_cast<int>(job.channels - c) : kLanes;
    const auto column = [&](const auto& m) __attribute__((always_inline)) {
      const ChannelPost cp = load_post(post, c, m);
      int64_t r = row_begin;
      for (; r + kStep <= row_end; r += kStep) {
        VF v[kStep];
        for (int k = 0; k < kStep; ++k) {
          VF one[1];
          load_operand<1>(job.x, (r + k) * x_row + c, one, m);
          v[k] = one[0];
        }
        finish(post, cp, v, y, r * y_row + c, y_row, m);
      }
      for (; r < row_end; ++r) {
        VF v[1];
        load_operand<1>(job.x, r * x_row + c, v, m);
        finish(post, cp, v, y, r * y_row + c, y_row, m);
      }
    };
    left == kLanes ? column(Full{}) : column(Part(left));
  }
}

/// Whether the factor and the division agree on all 256 numbers of an 8-bit operand, as they nearly always do.
bool factor_divides(const CopyJob& job, const Epilogue& e, const Post& post) {
  uint8_t all[256], products[256], quotients[256];
  for (int i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
  Operand x = job.x;
  x.data = all;
  multiply_range(x, post, products, 0, 0, 256);
  convert_range(x, e, job.target.scale, quotients, 0, 0, 256);
  return __builtin_memcmp(products, quotients, sizeof products) == 0;
}

void copy(const CopyJob& job, void* y, int64_t row_begin, int64_t row_end) {
  const bool bytes = job.x.type != DType::f32;
  const bool same = job.x.type == job.target.type &&
                    (!bytes || (job.x.zero == job.target.zero && job.x.scale == job.target.scale));
  const Epilogue e = epilogue_of({}, job.target);
  const Post post = prepare(e);
  const int64_t size = bytes ? 1 : 4;
  const bool large = (row_end - row_begin) * job.channels >= 4096;  // else looking takes longer than it gains
  const bool by_factor = !same && bytes && job.target.type != DType::f32 && large && factor_divides(job, e, post);
  for (int64_t r = row_begin; r < row_end; ++r) {
    if (same)
      __builtin_memcpy(static_cast<char*>(y) + r * job.y_stride * size,
                       static_cast<const char*>(job.x.data) + r * job.x_stride * size,
                       static_cast<size_t>(job.channels * size));
    else if (by_factor)
      multiply_range(job.x, post, y, r * job.x_stride, r * job.y_stride, job.channels);
    else
      convert_range(job.x, e, job.target.scale, y, r * job.x_stride, r * job.y_stride, job.channels);
  }
}

void lookup(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  int64_t i = lookup_blocks(table, x, y, begin, end);
  for (; i < end; ++i) y[i] = table[x[i]];
}

template <class T>
HONE_INLINE void shuffle_rows(const T* x, int64_t channels, int64_t groups, T* y, int64_t row_begin, int64_t row_end) {
  const int64_t each = channels / groups;
  for (int64_t r = row_begin; r < row_end; ++r) {
    const T* __restrict from = x + r * channels;
    T* __restrict to = y + r * channels;
    if (groups == 2) {  // a pattern that the compiler vectorizes
      for (int64_t i = 0; i < each; ++i) {
        to[2 * i] = from[i];
        to[2 * i + 1] = from[each + i];
      }
    } else {
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t i = 0; i < each; ++i) to[i * groups + g] = from[g * each + i];
    }
  }
}

void shuffle(const void* x, int element_bytes, int64_t channels, int64_t groups, void* y, int64_t row_begin,
             int64_t row_end) {
  if (element_bytes == 1)
    shuffle_rows(static_cast<const uint8_t*>(x), channels, groups, static_cast<uint8_t*>(y), row_begin, row_end);
  else
    shuffle_rows(static_cast<const uint32_t*>(x), channels, groups, static_cast<uint32_t*>(y), row_begin, row_end);
}

}  // namespace

extern const ElementwiseKernels elementwise;
const ElementwiseKernels elementwise{binary, convert, affine, copy, lookup, shuffle};

}  // namespace hone::kernels::HONE_ISA
