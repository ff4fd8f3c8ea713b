#pragma once
#include <array>
#include <vector>

#include "graph/op.hpp"
#include "graph/ops/nn/window.hpp"

/// What MaxPool and AveragePool share.
namespace hone::ops {

/// The part of a window that sees input, for one output position on one axis.
struct PoolSpan {
  int64_t start = 0;             ///< input position of kernel element 0, may be negative
  int64_t first = 0, last = 0;   ///< kernel elements [first, last) are inside the input
  int64_t counted = 0;           ///< kernel elements inside input and padding
};

/// A pool on concrete sizes with its spatial dimensions filled up to three by leading ones.
struct PoolGeometry {
  int64_t planes = 0;
  std::array<int64_t, 3> input{1, 1, 1}, dilation{1, 1, 1};
  std::array<std::vector<PoolSpan>, 3> spans;
  Dims result;

  int64_t input_plane() const { return input[0] * input[1] * input[2]; }
};
PoolGeometry pool_geometry(const EvalContext& context, const WindowAttributes& attributes, const Dims& x);

/// The shape rule: output 0 (and 1, as i64) is [N, C, spatial...].
void infer_pool(InferContext& context, const WindowAttributes& attributes);

/// Calls window(output element, plane, spans of the three axes) in row-major order.
template <class F>
void for_each_window(const PoolGeometry& geometry, F window) {
  int64_t i = 0;
  for (int64_t plane = 0; plane < geometry.planes; ++plane)
    for (const PoolSpan& d : geometry.spans[0])
      for (const PoolSpan& h : geometry.spans[1])
        for (const PoolSpan& w : geometry.spans[2]) window(i++, plane, d, h, w);
}

/// Calls visit(element of the plane) for the input elements of one window.
template <class F>
void for_each_element(const PoolGeometry& geometry, const PoolSpan& d, const PoolSpan& h, const PoolSpan& w, F visit) {
  for (int64_t z = d.first; z < d.last; ++z)
    for (int64_t y = h.first; y < h.last; ++y) {
      int64_t row = (d.start + z * geometry.dilation[0]) * geometry.input[1] + h.start + y * geometry.dilation[1];
      int64_t first = row * geometry.input[2] + w.start;
      for (int64_t x = w.first; x < w.last; ++x) visit(first + x * geometry.dilation[2]);
    }
}

}  // namespace hone::ops
