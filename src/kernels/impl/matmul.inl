// Matrix product with register tiles of rows x vectors of columns over b packed in panels, and attention made of it.
#include "kernels/matmul.hpp"

#include "kernels/simd/softmax.inl"
#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kPanel = kLanes == 16 ? 4 : 2;                  ///< vectors of columns in a panel
constexpr int kRows = kLanes == 16 ? 6 : kLanes == 8 ? 6 : 4;  ///< rows of a tile, as the registers allow
constexpr int64_t kPanelColumns = kPanel * kLanes;

int64_t panels(int64_t columns) { return (columns + kPanelColumns - 1) / kPanelColumns; }

// Packed: per panel [depth][kPanelColumns], columns past the end 0.
size_t matmul_packed_floats(int64_t depth, int64_t columns) {
  return static_cast<size_t>(panels(columns) * depth * kPanelColumns);
}

void matmul_pack(const MatrixView& b, int64_t depth, int64_t columns, float* packed) {
  for (int64_t first = 0; first < columns; first += kPanelColumns, packed += depth * kPanelColumns) {
    const int64_t count = columns - first < kPanelColumns ? columns - first : kPanelColumns;
    const float* from = b.data + first * b.column;
    if (count < kPanelColumns) __builtin_memset(packed, 0, static_cast<size_t>(depth * kPanelColumns) * sizeof(float));
    if (b.column == 1) {
      for (int64_t k = 0; k < depth; ++k)
        __builtin_memcpy(packed + k * kPanelColumns, from + k * b.row, static_cast<size_t>(count) * sizeof(float));
      continue;
    }
    for (int64_t c = 0; c < count; ++c) {
      const float* column = from + c * b.column;
      for (int64_t k = 0; k < depth; ++k) packed[k * kPanelColumns + c] = column[k * b.row];
    }
  }
}

template <int P, int V>
HONE_NOINLINE void matmul_tile(const float* a, int64_t a_row, int64_t depth, const float* w, float alpha, float* y,
                               int64_t y_row, int64_t columns) {
  VF acc[P * V];
  unroll<P * V>(HONE_EACH { acc[i] = zero_f(); });
  for (int64_t k = 0; k < depth; ++k, w += kPanelColumns) {
    VF b[V];
    unroll<V>(HONE_EACH { b[i] = load(w + i * kLanes); });
    unroll<P>([&](auto p) __attribute__((always_inline)) {
      const VF x = set1(a[p * a_row + k]);
      unroll<V>(HONE_EACH { acc[p * V + i] = fma(x, b[i], acc[p * V + i]); });
    });
  }
  const VF factor = set1(alpha);
  unroll<V>([&](auto v) __attribute__((always_inline)) {
    const int64_t left = columns - v * kLanes;
    if (left >= kLanes)
      unroll<P>(HONE_EACH { store(y + i * y_row + v * kLanes, mul(acc[i * V + v], factor)); });
    else
      unroll<P>(
          HONE_EACH { store(y + i * y_row + v * kLanes, mul(acc[i * V + v], factor), Part(static_cast<int>(left))); });
  });
}

template <int V>
void matmul_panel(const MatMulShape& s, const float* a, const float* w, float alpha, float* y, int64_t columns,
                  int64_t begin, int64_t end) {
  auto rows = [&](auto count) __attribute__((always_inline)) {
    constexpr int P = decltype(count)::value;
    for (; begin + P <= end; begin += P)
      matmul_tile<P, V>(a + begin * s.a_row, s.a_row, s.depth, w, alpha, y + begin * s.y_row, s.y_row, columns);
  };
  rows(Index<kRows>{});
  rows(Index<2>{});
  rows(Index<1>{});
}

void matmul_run(const MatMulShape& s, const float* a, const float* packed, float alpha, float* y, int64_t begin,
                int64_t end) {
  // The rows of a chunk stay in the second-level cache while all panels pass over them.
  const int64_t fit = 64 * 1024 / (s.depth > 0 ? s.depth : 1),
                chunk = fit < 4 * kRows ? 4 * kRows : fit / kRows * kRows;
  for (int64_t row = begin; row < end; row += chunk) {
    const int64_t stop = row + chunk < end ? row + chunk : end;
    for (int64_t first = 0, panel = 0; first < s.columns; first += kPanelColumns, ++panel) {
      const float* w = packed + panel * s.depth * kPanelColumns;
      const int64_t columns = s.columns - first < kPanelColumns ? s.columns - first : kPanelColumns;
      const int vectors = static_cast<int>((columns + kLanes - 1) / kLanes);
      if (vectors == 1) matmul_panel<1>(s, a, w, alpha, y + first, columns, row, stop);
      else if (vectors == 2) matmul_panel<2>(s, a, w, alpha, y + first, columns, row, stop);
      else if constexpr (kPanel == 4) {
        if (vectors == 3) matmul_panel<3>(s, a, w, alpha, y + first, columns, row, stop);
        else matmul_panel<4>(s, a, w, alpha, y + first, columns, row, stop);
      }
    }
  }
}

constexpr int64_t kQueries = 8 * kRows;  ///< rows of scores that are made, normalized and used at a time

size_t scores_row(int64_t keys) { return static_cast<size_t>((keys + 15) / 16 * 16); }

size_t attention_floats(const AttentionShape& s) {
  return (matmul_packed_floats(s.depth, s.keys) + matmul_packed_floats(s.keys, s.value_depth) + 15) / 16 * 16 +
         static_cast<size_t>(kQueries) * scores_row(s.keys);
}

void attention(const AttentionShape& s, const float* q, const float* k, const float* v, const float* mask,
               int64_t mask_row, float* y, float* scratch) {
  float* keys = scratch;
  float* values = keys + matmul_packed_floats(s.depth, s.keys);
  const int64_t row = static_cast<int64_t>(scores_row(s.keys));
  float* scores = values + matmul_packed_floats(s.keys, s.value_depth);
  matmul_pack({k, 1, s.k_row}, s.depth, s.keys, keys);
  matmul_pack({v, s.v_row, 1}, s.keys, s.value_depth, values);
  for (int64_t first = 0; first < s.queries; first += kQueries) {
    const int64_t count = s.queries - first < kQueries ? s.queries - first : kQueries;
    matmul_run({count, s.depth, s.keys, s.q_row, row}, q + first * s.q_row, keys, s.scale, scores, 0, count);
    for (int64_t i = 0; i < count; ++i) {
      float* line = scores + i * row;
      if (mask) {
        const float* plus = mask + (first + i) * mask_row;
        for_row(s.keys,
                [&](int64_t c, const auto& m) { store(line + c, add(load(line + c, m), load(plus + c, m)), m); });
      }
      softmax_row(line, line, s.keys, false);
    }
    matmul_run({count, s.keys, s.value_depth, row, s.y_row}, scores, values, 1, y + first * s.y_row, 0, count);
  }
}

}  // namespace

extern const MatMulKernels matmul;
const MatMulKernels matmul{matmul_packed_floats, matmul_pack, matmul_run, attention_floats, attention};

}  // namespace hone::kernels::HONE_ISA
