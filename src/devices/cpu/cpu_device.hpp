#pragma once
#include <memory>

#include "graph/graph.hpp"
#include "plan/plan.hpp"

namespace hone {

/// Compiles a graph with concrete shapes for this CPU. threads 0: all processors of the process.
std::shared_ptr<const Plan> compile_cpu(Graph graph, int threads);

}  // namespace hone
