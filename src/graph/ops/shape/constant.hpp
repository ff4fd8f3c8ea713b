#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// A tensor without inputs; one of the fields is set.
struct Constant : OpOf<Constant> {
  Tensor value;
  std::optional<float> value_float;
  std::vector<float> value_floats;
  std::optional<int64_t> value_int;
  std::vector<int64_t> value_ints;
  std::string value_string;
  std::vector<std::string> value_strings;

  const char* type() const override { return "Constant"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
