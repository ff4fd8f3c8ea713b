#pragma once
#include <vector>

#include "graph/graph.hpp"

namespace hone::dynamic {

/// A part of a graph that runs as one.
struct Part {
  enum class Kind {
    fixed,        ///< all sizes are known: one compiled plan
    specialized,  ///< sizes follow from those of its inputs: a plan for each set of input sizes
    single,       ///< node by node: sizes depend on values, bodies, strings, or too little work to compile
  };
  Kind kind;
  std::vector<const Node*> nodes;  ///< in order
};

/// The graph as parts, each after those whose results it uses. Fixed parts are as large as can be: everything that no
/// size depending on data goes into is one part.
std::vector<Part> partition(const Graph& graph);

/// The nodes as a graph of their own: what they use from outside are its inputs, what others use or the graph returns
/// its outputs; constants are shared. `inputs` and `outputs` become the values of `graph` in the same order.
Graph extract(const Graph& graph, const std::vector<const Node*>& nodes, std::vector<const Value*>& inputs,
              std::vector<const Value*>& outputs);

/// True when sizes of all values are known and none holds strings or bodies: then the graph is one plan.
bool is_fixed(const Graph& graph);
/// True when the graph, or a body in it, has convolutions or matrix products.
bool is_heavy(const Graph& graph);

}  // namespace hone::dynamic
