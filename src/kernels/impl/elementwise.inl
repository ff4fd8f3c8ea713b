// Elementwise kernels: operands are widened to f32 in registers, four vectors at a time.
#include "kernels/elementwise.hpp"
#include "kernels/simd/epilogue.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kStep = 4;  ///< vectors per pass: what is decided per pass (types, operation) costs little

template <int N, class M>
HONE_INLINE void load_operand(const Operand& x, int64_t i, VF (&v)[N], const M& m) {
  if (x.type == DType::f32) {
    unroll<N>([&](auto k) __attribute__((always_inline)) {
      v[k] = load(static_cast<const float*>(x.data) + i + k * kLanes, m);
    });
    return;
  }
  const VF zero = set1(static_cast<float>(x.zero)), scale = set1(x.scale);
  const auto* bytes = static_cast<const uint8_t*>(x.data) + i;
  if (x.type == DType::u8)
    unroll<N>([&](auto k)
                  __attribute__((always_inline)) { v[k] = to_float(widen_u8(load_bytes(bytes + k * kLanes, m))); });
  else
    unroll<N>([&](auto k)
                  __attribute__((always_inline)) { v[k] = to_float(widen_i8(load_bytes(bytes + k * kLanes, m))); });
  unroll<N>([&](auto k) __attribute__((always_inline)) { v[k] = mul(sub(v[k], zero), scale); });
}

HONE_INLINE float scalar_of(const Operand& x, int64_t i) {
  if (x.type == DType::f32) return static_cast<const float*>(x.data)[i];
  const uint8_t bits = static_cast<const uint8_t*>(x.data)[i];
  return static_cast<float>((x.type == DType::u8 ? bits : static_cast<int8_t>(bits)) - x.zero) * x.scale;
}

Epilogue epilogue_of(const Activation& act, const Target& target) {
  Epilogue e;
  e.act = act;
  e.out_type = target.type;
  e.out_inverse_scale = target.inverse_scale;
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

void binary(const BinaryJob& job, void* y, int64_t row_begin, int64_t row_end) {
  const Epilogue e = epilogue_of(job.act, job.target);
  const Post post = prepare(e);
  if (job.broadcast == Broadcast::same || job.broadcast == Broadcast::scalar) {
    const bool scalar = job.broadcast == Broadcast::scalar;
    const VF b = set1(scalar ? scalar_of(job.b, 0) : 0);
    for_elements(row_begin * job.channels, row_end * job.channels, [&](auto n, int64_t i, const auto& m) {
      binary_block<decltype(n)::value>(job, post, i, i, scalar ? &b : nullptr, y, m);
    });
    return;
  }
  for (int64_t r = row_begin; r < row_end; ++r) {
    const int64_t at = r * job.channels;
    const int64_t other = job.broadcast == Broadcast::gate ? r / job.rows_per_image * job.channels : 0;
    for_elements(0, job.channels, [&](auto n, int64_t c, const auto& m) {
      binary_block<decltype(n)::value>(job, post, at + c, other + c, nullptr, y, m);
    });
  }
}

void convert_range(const Operand& x, const Post& post, void* y, int64_t x_at, int64_t y_at, int64_t count) {
  for_elements(0, count, [&](auto n, int64_t i, const auto& m) {
    VF v[decltype(n)::value];
    load_operand(x, x_at + i, v, m);
    finish(post, load_post(post, 0, m), v, y, y_at + i, kLanes, m);
  });
}

void convert(const ConvertJob& job, void* y, int64_t begin, int64_t end) {
  const Epilogue e = epilogue_of(job.act, job.target);
  convert_range(job.x, prepare(e), y, begin, begin, end - begin);
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

void copy(const CopyJob& job, void* y, int64_t row_begin, int64_t row_end) {
  const bool bytes = job.x.type != DType::f32;
  const bool same = job.x.type == job.target.type &&
                    (!bytes || (job.x.zero == job.target.zero && job.x.scale * job.target.inverse_scale == 1));
  const Epilogue e = epilogue_of({}, job.target);
  const Post post = prepare(e);
  const int64_t size = bytes ? 1 : 4;
  for (int64_t r = row_begin; r < row_end; ++r) {
    if (same)
      __builtin_memcpy(static_cast<char*>(y) + r * job.y_stride * size,
                       static_cast<const char*>(job.x.data) + r * job.x_stride * size,
                       static_cast<size_t>(job.channels * size));
    else
      convert_range(job.x, post, y, r * job.x_stride, r * job.y_stride, job.channels);
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
