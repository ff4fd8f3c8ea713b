#pragma once
#include "tensor/shape.hpp"

namespace hone::ops {

/// A dense tensor seen as [outer, size, inner] around one axis (counted from the front).
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
  AxisView(const Dims& dims, size_t axis) {
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : i > axis ? inner : size) *= dims[i];
  }
};

}  // namespace hone::ops
