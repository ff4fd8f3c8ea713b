// y = f(x), nobody uses y  =>  nothing
#include "optimize/passes/passes.hpp"

namespace hone::passes {

namespace {

struct RemoveDead : Pass {
  const char* name() const override { return "remove_dead"; }
  bool apply(Graph& graph) const override { return graph.remove_dead() > 0; }
};

}  // namespace

std::unique_ptr<Pass> remove_dead() { return std::make_unique<RemoveDead>(); }

}  // namespace hone::passes
