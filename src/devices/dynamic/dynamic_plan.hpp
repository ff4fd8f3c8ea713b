#pragma once
#include <memory>
#include <string>
#include <vector>

#include "compile/model_source.hpp"
#include "graph/graph.hpp"
#include "plan/plan.hpp"

namespace hone {

/// A plan for any graph on a device that compiles graphs whose sizes are all known (`compile`). Where sizes depend on
/// data, where nodes hold bodies or strings, the graph is split: what has known sizes is compiled, what gets them from
/// values that are computed is compiled for each set of sizes that occurs (the last few are kept) when it has
/// convolutions or matrix products, and the rest runs node by node by reference evaluation. Bodies of If, Loop and Scan
/// are plans too when they have such heavy nodes.
std::shared_ptr<const Plan> compile_dynamic(Graph graph, const CompileGraph& compile,
                                            const std::vector<std::string>& disabled_passes = {});

}  // namespace hone
