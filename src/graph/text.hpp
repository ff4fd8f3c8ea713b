#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "graph/graph.hpp"

/// The text form of a graph, one statement a line:
///
///   graph "net" {
///     metadata "labels" = "cat\ndog"
///     input %x: f32[N, 3, 224, 224]
///     const %w: f32[8, 3, 3, 3] = fill(0.5)
///     %y = Conv(%x, %w, _) {strides=[2, 2]} "stem" : f32[N, 8, 111, 111]
///     output "probabilities" = %y
///   }
///
/// Sizes are numbers, symbols (N) or ? for unknown; [*] is an unknown rank. Constants are a flat list `[1, 2.5]`,
/// `fill(x)` (all elements), `range` (0, 1, 2 ...), `random(seed)` (uniform in -1 to 1; integers -100 to 100) or `...`
/// (left out). `_` is an absent input. Attributes with the op's default are left out, and so is the node's name when it
/// is that of its first output. `"..."` quotes names with other characters than letters, digits and _ . / -.
/// `#` begins a comment.
namespace hone {

struct TextOptions {
  /// Constants with more elements than this are written as `...`, which parse_text() refuses.
  int64_t elide_above = std::numeric_limits<int64_t>::max();
  /// Write the types of node outputs.
  bool types = true;
};

/// parse_text(to_text(graph)) is the same graph: names, order, attributes, types and the bits of all constants (any NaN
/// becomes the standard one). Nodes must be in topological order for the text to be read back.
std::string to_text(const Graph& graph, const TextOptions& options = {});

/// `name` is how errors call the text. Runs every shape rule; a type given after a node must be the inferred one.
/// Throws Error with the line number, what was expected and what was found, for any input that is not a graph.
Graph parse_text(std::string_view text, std::string_view name = "text");

}  // namespace hone
