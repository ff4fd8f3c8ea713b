#pragma once
#include "optimize/pass.hpp"

namespace hone::passes {

/// A pass that walks over the graph until a walk finds nothing. Between walks dead nodes go and types are inferred
/// again, so a walk may leave nodes behind that nobody uses (it must skip those: they still count as users of their
/// inputs).
struct Sweep : Pass {
  bool apply(Graph& graph) const final;
  /// One walk; true when it changed something.
  virtual bool sweep(Graph& graph) const = 0;
};

}  // namespace hone::passes
