#pragma once
#include <span>
#include <string>
#include <vector>

namespace hone {

/// A level above the leaves of a tree of classes.
struct ClassLevel {
  std::vector<std::string> names;  ///< of its groups, in the order in which they first occur
  std::vector<int> group;          ///< of each class
};

/// The levels that the names of classes tell of, the top one first: "a/x", "a/y", "b/x" have one, with the groups a and
/// b. A name that ends above a level is a group of its own there. Empty when no name has a '/'.
std::vector<ClassLevel> levels_of_classes(std::span<const std::string> classes);

/// The probability of each group: the sum over its classes.
std::vector<float> group_probabilities(const ClassLevel& level, std::span<const float> probabilities);

}  // namespace hone
