#pragma once
#include <optional>
#include <vector>

#include "graph/graph.hpp"

/// Where the samples of a batch lie. A value of a graph that runs with a whole batch is "cut" along an axis when it is
/// the values that the same graph makes of the slices of that batch, one behind the other along that axis.
namespace hone::batch {

/// What is known of a value besides an axis (>= 0).
enum : int {
  same = -1,   ///< the whole batch and every slice have this very value
  other = -2,  ///< it depends on the size of the batch, as the target of a Reshape does
};

/// A node as the graph of a slice has it, with what is known of its inputs.
struct CutNode {
  const Node& node;       ///< sizes are those of a slice
  const Node& whole;      ///< the same node with the sizes of the whole batch
  std::vector<int> axes;  ///< of the inputs; same where one is absent

  int axis(size_t input) const { return input < axes.size() ? axes[input] : same; }
  bool has(size_t input) const { return node.input(input) != nullptr; }
  int rank(size_t input) const { return node.input(input)->shape().rank(); }
  int64_t dim(size_t input, int axis) const { return node.input(input)->shape()[static_cast<size_t>(axis)].value; }
  /// All inputs from `first` on are the same for every slice.
  bool same_from(size_t first) const;
};

/// What is known of all outputs of a node; nullopt where they are not cut, or nobody has thought about this op yet.
/// The caller checks that the sizes of the outputs agree.
std::optional<int> axis_of_outputs(const CutNode& node);

}  // namespace hone::batch
