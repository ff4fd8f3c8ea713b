#pragma once
// Loops that the compiler must unroll, so that arrays of vectors become registers.
namespace hone::kernels::HONE_ISA {
namespace {

template <int I>
struct Index {
  static constexpr int value = I;
  constexpr operator int() const { return I; }  // NOLINT: reads like a number
};

/// f(Index<0>), ..., f(Index<N - 1>).
template <int N, class F>
HONE_INLINE void unroll(F f) {
  if constexpr (N > 0) {
    unroll<N - 1>(f);
    f(Index<N - 1>{});
  }
}
#define HONE_EACH [&](auto i) __attribute__((always_inline))

/// Cuts `width` output columns into tiles of at most kTileMax: f(Index<columns>, first column).
template <class F>
HONE_INLINE void for_tiles(int64_t width, F f) {
  for (int64_t at = 0; at < width;) {
    const int64_t left = width - at;
    if (kTileMax == 7 && (left % 7 == 0 || left > 10)) {
      f(Index<kTileMax>{}, at), at += kTileMax;
    } else if (left >= 4 && left != 5 && left != 6) {  // 5 = 3 + 2, 6 = 3 + 3
      f(Index<4>{}, at), at += 4;
    } else if (left >= 3) {
      f(Index<3>{}, at), at += 3;
    } else if (left == 2) {
      f(Index<2>{}, at), at += 2;
    } else {
      f(Index<1>{}, at), at += 1;
    }
  }
}

}  // namespace
}  // namespace hone::kernels::HONE_ISA
