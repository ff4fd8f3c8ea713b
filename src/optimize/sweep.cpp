#include "optimize/sweep.hpp"

#include "base/error.hpp"

namespace hone::passes {

bool Sweep::apply(Graph& graph) const {
  // Each walk that changes something removes a node or makes one simpler, so this many mean that two rewrites undo each
  // other.
  size_t limit = 20 + 4 * graph.nodes().size();
  for (size_t walks = 0; walks < limit; ++walks) {
    if (!sweep(graph)) return walks > 0;
    graph.remove_dead();
    graph.infer();
  }
  throw Error(std::string("pass '") + name() + "'", "does not come to an end");
}

}  // namespace hone::passes
