#pragma once
#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "graph/graph.hpp"

/// Elementwise arithmetic as polynomials, so that a pass recognizes a formula however its terms are written.
namespace hone::passes {

/// A sum of coefficient * a^i * b^j, where a and b are values of the graph.
struct Polynomial {
  std::map<std::array<int, 2>, double> terms;  ///< exponents -> coefficient
  double at(int i, int j = 0) const;           ///< 0 when there is no such term
  /// Same terms, coefficients nearly equal for constants rounded to `dtype`.
  bool close_to(const Polynomial& other, DType dtype) const;
};

/// `value` as a polynomial in `a` and `b` (b may be nullptr) through Add, Sub, Mul, Div, Neg and Pow with scalar
/// constants; nullopt when it is none. Nodes on the way are added to `nodes`.
std::optional<Polynomial> expand(const Value* value, const Value* a, const Value* b, std::set<const Node*>& nodes);

/// `value` and the values that it may be a polynomial of, nearest first, a few of them.
std::vector<Value*> possible_variables(Value* value);

/// The users after `value` as long as each has the only use of the one before: where a formula around it may end.
std::vector<Node*> possible_roots(const Graph& graph, const Value* value);

}  // namespace hone::passes
