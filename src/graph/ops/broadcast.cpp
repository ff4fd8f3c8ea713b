#include "graph/ops/broadcast.hpp"

namespace hone::ops {

namespace {

struct Axis {
  int64_t size = 1;
  int64_t step[3] = {0, 0, 0};
};

/// The axes of the result, outermost first, without those of size 1 and with neighbors joined where every input
/// allows it.
std::vector<Axis> joined_axes(const Dims& result, std::initializer_list<const Dims*> inputs) {
  std::vector<Axis> axes(result.size());
  for (size_t i = 0; i < result.size(); ++i) axes[i].size = result[i];
  size_t k = 0;
  for (const Dims* dims : inputs) {
    Dims strides = row_major_strides(*dims);
    size_t offset = result.size() - dims->size();
    for (size_t i = 0; i < dims->size(); ++i)
      if ((*dims)[i] != 1) axes[offset + i].step[k] = strides[i];
    ++k;
  }
  std::vector<Axis> joined;
  for (const Axis& axis : axes) {
    if (axis.size == 1) continue;
    bool fits = !joined.empty();
    for (size_t i = 0; fits && i < k; ++i) fits = joined.back().step[i] == axis.step[i] * axis.size;
    if (fits) {
      int64_t size = joined.back().size * axis.size;
      joined.back() = axis;
      joined.back().size = size;
    } else {
      joined.push_back(axis);
    }
  }
  return joined;
}

}  // namespace

void for_each_broadcast_row(const Dims& result, std::initializer_list<const Dims*> inputs,
                            FunctionRef<void(const BroadcastRow&)> visit) {
  int64_t total = element_count(result);
  if (total == 0) return;
  std::vector<Axis> axes = joined_axes(result, inputs);
  BroadcastRow row;
  if (!axes.empty()) {
    row.count = axes.back().size;
    for (size_t k = 0; k < 3; ++k) row.step[k] = axes.back().step[k];
    axes.pop_back();
  }
  Dims position(axes.size(), 0);
  for (; row.out < total; row.out += row.count) {
    visit(row);
    for (size_t i = axes.size(); i-- > 0;) {
      for (size_t k = 0; k < 3; ++k) row.begin[k] += axes[i].step[k];
      if (++position[i] < axes[i].size) break;
      for (size_t k = 0; k < 3; ++k) row.begin[k] -= axes[i].step[k] * axes[i].size;
      position[i] = 0;
    }
  }
}

}  // namespace hone::ops
