#pragma once
#include <functional>
#include <map>

#include "optimize/pass.hpp"

namespace hone {

/// y = op{body}(x, c, d)  =>  y = op{simpler body}(x, c)     for If, Loop and Scan
///
/// A body learns the types of its inputs and the constants among them, is optimized by `optimize_body` (true when it
/// changed something), and gives up captured values that it does not need.
class OptimizeSubgraphs : public Pass {
 public:
  explicit OptimizeSubgraphs(std::function<bool(Graph&)> optimize_body) : optimize_body_(std::move(optimize_body)) {}
  const char* name() const override { return "optimize_subgraphs"; }
  bool apply(Graph& graph) const override;

 private:
  std::shared_ptr<Graph> improved(const Node& node, size_t index) const;
  std::function<bool(Graph&)> optimize_body_;
  /// Bodies that were looked at and need nothing more; held, so that no other graph comes to lie at their address.
  mutable std::map<const Graph*, std::shared_ptr<Graph>> settled_;
};

}  // namespace hone
