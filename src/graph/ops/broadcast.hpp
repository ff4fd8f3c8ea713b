#pragma once
#include <initializer_list>

#include "base/function_ref.hpp"
#include "tensor/shape.hpp"

namespace hone::ops {

/// A stretch of the result in which every input moves by a constant step (0: one element repeated).
struct BroadcastRow {
  int64_t out = 0;              ///< first element of the result
  int64_t count = 1;            ///< elements
  int64_t begin[3] = {0, 0, 0};  ///< first element of each input
  int64_t step[3] = {0, 0, 0};
};

/// Covers the broadcast of up to three inputs to `result` with as few rows as possible; inputs of equal sizes are one
/// row. Nothing is visited when the result is empty.
void for_each_broadcast_row(const Dims& result, std::initializer_list<const Dims*> inputs,
                            FunctionRef<void(const BroadcastRow&)> visit);

}  // namespace hone::ops
