#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = max(x, 0)
struct Relu : OpOf<Relu> {
  const char* type() const override { return "Relu"; }
  OpSpec spec() const override {
    return {.traits = Trait::elementwise | Trait::layout_agnostic | Trait::activation, .summary = "y = max(x, 0)"};
  }
  void infer(InferContext& context) const override { infer_same(context); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary(context, [](auto x) { return x > 0 ? x : decltype(x)(0); });
  }
};

HONE_DEFINE_OP(Relu)

}  // namespace hone::ops
