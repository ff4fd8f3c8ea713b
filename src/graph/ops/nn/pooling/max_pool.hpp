#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// The largest element of each window; the second output is its flat index in x.
struct MaxPool : OpOf<MaxPool> {
  std::string auto_pad = "NOTSET";
  int64_t ceil_mode = 0;
  std::vector<int64_t> dilations;
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;  ///< begins, then ends
  int64_t storage_order = 0;  ///< 1: the indices count column-major
  std::vector<int64_t> strides;

  const char* type() const override { return "MaxPool"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
