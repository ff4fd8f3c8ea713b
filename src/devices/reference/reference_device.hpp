#pragma once
#include <memory>

#include "graph/graph.hpp"
#include "plan/plan.hpp"

namespace hone {

/// A plan that runs every node by its reference evaluation: the oracle, as a device.
std::shared_ptr<const Plan> compile_reference(Graph graph);

}  // namespace hone
