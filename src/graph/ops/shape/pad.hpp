#pragma once
#include <string>
#include <vector>

#include "graph/op.hpp"

namespace hone::ops {

/// Inputs: x, pads (begins, then ends; negative ones crop), value (optional), axes (optional).
struct Pad : OpOf<Pad> {
  std::string mode = "constant";  ///< constant, reflect, edge or wrap

  const char* type() const override { return "Pad"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

/// For each of `output` positions on an axis the input position, -1 for the border of constants; `begin` of them come
/// before the input's first; negative ones crop before the border is made. Only the constant mode takes input = 0.
std::vector<int64_t> pad_sources(const std::string& mode, int64_t begin, int64_t input, int64_t output);

}  // namespace hone::ops
