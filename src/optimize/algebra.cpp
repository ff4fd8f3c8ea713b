#include "optimize/algebra.hpp"

#include <algorithm>
#include <cmath>

#include "optimize/match.hpp"

namespace hone::passes {

namespace {

constexpr int max_degree = 4;
constexpr int max_depth = 8;
constexpr size_t max_variables = 12, max_roots = 5;

Polynomial constant_term(double value) { return {{{{0, 0}, value}}}; }

Polynomial sum(const Polynomial& x, const Polynomial& y, double sign) {
  Polynomial result = x;
  for (auto& [exponents, coefficient] : y.terms) result.terms[exponents] += sign * coefficient;
  return result;
}

std::optional<Polynomial> product(const Polynomial& x, const Polynomial& y) {
  Polynomial result;
  for (auto& [p, u] : x.terms)
    for (auto& [q, v] : y.terms) {
      std::array<int, 2> exponents{p[0] + q[0], p[1] + q[1]};
      if (exponents[0] + exponents[1] > max_degree) return std::nullopt;
      result.terms[exponents] += u * v;
    }
  return result;
}

class Expansion {
 public:
  Expansion(const Value* a, const Value* b, std::set<const Node*>& nodes) : a_(a), b_(b), nodes_(nodes) {}

  std::optional<Polynomial> of(const Value* value, int depth) {
    if (value == a_) return Polynomial{{{{1, 0}, 1.0}}};
    if (value == b_ && b_) return Polynomial{{{{0, 1}, 1.0}}};
    const Node* node = value ? value->producer() : nullptr;
    if (!node || depth > max_depth || !is_float(value->dtype()) || node->op().domain()[0] != '\0') return std::nullopt;
    nodes_.insert(node);
    if (node->is("Neg")) {
      auto x = of(node->input(0), depth + 1);
      return x ? product(*x, constant_term(-1)) : std::nullopt;
    }
    if (node->is("Pow")) return power(*node, depth);
    bool add = node->is("Add"), subtract = node->is("Sub"), multiply = node->is("Mul"), divide = node->is("Div");
    if (!add && !subtract && !multiply && !divide) return std::nullopt;
    auto x = operand(*node, 0, depth), y = operand(*node, 1, depth);
    if (!x || !y) return std::nullopt;
    if (add || subtract) return sum(*x, *y, add ? 1 : -1);
    if (multiply) return product(*x, *y);
    auto divisor = scalar(node->input(1));
    if (!divisor || *divisor == 0) return std::nullopt;
    return product(*x, constant_term(1 / *divisor));
  }

 private:
  std::optional<Polynomial> operand(const Node& node, size_t index, int depth) {
    if (auto number = scalar_beside(node.input(index), node.input(1 - index))) return constant_term(*number);
    return of(node.input(index), depth + 1);
  }

  std::optional<Polynomial> power(const Node& node, int depth) {
    auto exponent = scalar_beside(node.input(1), node.input(0));
    if (!exponent || (*exponent != 1 && *exponent != 2 && *exponent != 3)) return std::nullopt;
    auto x = of(node.input(0), depth + 1);
    auto result = x;
    for (int i = 1; result && i < static_cast<int>(*exponent); ++i) result = product(*result, *x);
    return result;
  }

  const Value *a_, *b_;
  std::set<const Node*>& nodes_;
};

}  // namespace

double Polynomial::at(int i, int j) const {
  auto it = terms.find({i, j});
  return it == terms.end() ? 0 : it->second;
}

bool Polynomial::close_to(const Polynomial& other, DType dtype) const {
  auto covers = [&](const Polynomial& x, const Polynomial& y) {
    return std::all_of(x.terms.begin(), x.terms.end(), [&](auto& term) {
      double value = y.at(term.first[0], term.first[1]);
      return close(term.second, value, dtype) || std::abs(term.second - value) < 1e-9;
    });
  };
  return covers(*this, other) && covers(other, *this);
}

std::optional<Polynomial> expand(const Value* value, const Value* a, const Value* b, std::set<const Node*>& nodes) {
  return Expansion(a, b, nodes).of(value, 0);
}

std::vector<Value*> possible_variables(Value* value) {
  std::vector<Value*> found{value};
  for (size_t i = 0; i < found.size() && found.size() < max_variables; ++i) {
    const Node* node = found[i]->producer();
    if (!node) continue;
    bool arithmetic =
        node->is("Add") || node->is("Sub") || node->is("Mul") || node->is("Div") || node->is("Neg") || node->is("Pow");
    if (!arithmetic) continue;
    for (Value* input : node->inputs())
      if (input && !input->is_constant() && std::find(found.begin(), found.end(), input) == found.end())
        found.push_back(input);
  }
  return found;
}

std::vector<Node*> possible_roots(const Graph& graph, const Value* value) {
  std::vector<Node*> roots;
  while (roots.size() < max_roots) {
    Node* user = single_user(graph, value);
    if (!user || user->outputs().size() != 1) break;
    roots.push_back(user);
    value = user->output();
  }
  return roots;
}

}  // namespace hone::passes
