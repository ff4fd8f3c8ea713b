#pragma once
#include <array>

#include "graph/op.hpp"

namespace hone::ops {

/// Samples x at the points of a grid. Inputs: x [N, C, (D,) H, W], grid [N, (D',) H', W', 2 or 3] with x before y in
/// [-1, 1]. Output: [N, C, (D',) H', W'].
struct GridSample : OpOf<GridSample> {
  int64_t align_corners = 0;          ///< 1: -1 and 1 are the centers of the corner pixels, 0: their outer edges
  std::string mode = "linear";        ///< linear, nearest or cubic (before opset 20: bilinear, bicubic)
  std::string padding_mode = "zeros"; ///< zeros, border or reflection

  const char* type() const override { return "GridSample"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;

  /// Positions inside of one axis and their weights; weight 0 where padding is zero.
  struct Taps {
    int count = 0;
    std::array<int64_t, 4> index{};
    std::array<double, 4> weight{};
  };
  /// What a coordinate of the grid reads on an axis of this size.
  Taps taps_at(double point, int64_t size) const;

 private:
  void add(Taps& taps, int64_t at, double weight, int64_t size, double low, double high) const;
  template <class T>
  void sample(const T* x, const T* grid, const Dims& input, const Dims& output, T* y) const;
};

}  // namespace hone::ops
