#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// A portable rewrite of a graph that keeps its results (up to rounding), inputs, outputs and metadata. Its first
/// comment is its equation. apply() is deterministic and idempotent: right after it, it changes nothing.
struct Pass {
  virtual ~Pass() = default;
  virtual const char* name() const = 0;
  /// Rewrites the graph wherever the pass fits; true when it changed something. The graph stays in topological order;
  /// types of values after a change may be stale until Graph::infer().
  virtual bool apply(Graph& graph) const = 0;
};

/// The passes of the optimize stage in the order in which they run.
std::vector<std::unique_ptr<Pass>> standard_passes();

}  // namespace hone
