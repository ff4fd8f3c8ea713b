#pragma once
#include <span>

#include "tensor/tensor.hpp"

namespace hone {

/// What numbers differ from exact ones: squares, added up over as many tensors as there are.
struct SignalNoise {
  double signal = 0;  ///< sum of exact^2
  double noise = 0;   ///< sum of (exact - got)^2

  /// Spans of the same size.
  void add(std::span<const float> exact, std::span<const float> got);
  /// False, and nothing added, unless both are f32 and have the same shape.
  bool add(const Tensor& exact, const Tensor& got);
  /// noise / signal; neither counts as less than 1e-20.
  double relative_error() const;
  /// 10 log10(signal / noise).
  double decibels() const;
};

}  // namespace hone
