#pragma once
#include "graph/graph.hpp"

namespace hone {

/// Sets dimension 0 of every input of rank 2 or more to `batch` (a number, or a name for any number) and infers the
/// types again. Where exporters wrote the old batch into a Reshape, Resize or Expand as its leading size, that size
/// becomes "as the input". Throws Error at the first node that cannot take the new batch, or that makes a result of
/// the graph keep the old one; the graph is not usable then.
void set_batch(Graph& graph, const Dim& batch);

}  // namespace hone
