#pragma once
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// Checks everything that passes and stages may rely on: lists of uses agree with the inputs of nodes, producers come
/// before users, names are unique, input and output counts and types are what the op's shape rule says, outputs exist.
/// Throws Error naming the rule and the node or value that breaks it.
void verify(const Graph& graph);

/// The names of the rules, in the order in which they are checked.
std::vector<std::string> verify_rules();

/// A size above 2^48 is more than any memory holds. Without them, arithmetic with sizes cannot overflow by adding
/// borders and strides.
bool has_huge_size(const Shape& shape);
/// Throws Error naming `place`.
[[noreturn]] void throw_huge_size(const std::string& place, const Shape& shape);

}  // namespace hone
