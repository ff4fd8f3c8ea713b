#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// Einstein summation: `ij,jk->ik` is a matrix product. Letters name axes, `...` stands for axes that broadcast; axes
/// that the output does not name are summed. Without `->` the output has the axes of `...` and then, in ASCII order,
/// the letters that occur once.
struct Einsum : OpOf<Einsum> {
  std::string equation;

  const char* type() const override { return "Einsum"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

/// An equation as numbers: each axis of the inputs and of the output has the number of its label.
struct EinsumLabels {
  std::vector<std::vector<int>> inputs;
  std::vector<int> output;
  int count = 0;
};
/// Reads an equation for inputs of these ranks. Throws Error(place, ...) when it is malformed or does not fit them.
EinsumLabels parse_equation(const std::string& place, const std::string& equation, const std::vector<int>& ranks);

}  // namespace hone::ops
