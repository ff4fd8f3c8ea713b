#pragma once
#include <cstdint>
#include <vector>

#include "tensor/tensor.hpp"

namespace hone {

/// Weights in groups along one axis.
struct GroupedWeights {
  Tensor values;  ///< i8, u8, i4 or u4, the sizes of the weights
  Tensor scales;  ///< f32: the sizes of the weights with `axis` in blocks; 1-D when one group takes all of `axis`
  Tensor zeros;   ///< of the values' type, the sizes of scales
  double error = 0;   ///< sum of (w' - w)^2, counted by importance
  double signal = 0;  ///< sum of w^2, counted by importance
};

struct GroupSettings {
  int bits = 8;
  bool symmetric = true;
  int64_t group = -1;  ///< -1: the whole axis
};

/// Quantizes 2-D weights in groups along `axis` (the input axis). `importance` has a factor for each index of that
/// axis, or is empty. The scale of each group is the one of a few that has the least error.
GroupedWeights quantize_groups(const Tensor& weights, int axis, const GroupSettings& settings,
                               const std::vector<float>& importance);

}  // namespace hone
