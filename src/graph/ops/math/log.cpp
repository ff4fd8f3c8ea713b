#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = ln(x)
struct Log : OpOf<Log> {
  const char* type() const override { return "Log"; }
  OpSpec spec() const override {
    return {.traits = elementwise_traits, .summary = "y = ln(x)"};
  }
  void infer(InferContext& context) const override { infer_unary(context, Types::floats); }
  void evaluate(EvalContext& context) const override {
    evaluate_unary_float(context, [](auto x) { return std::log(x); });
  }
};

HONE_DEFINE_OP(Log)

}  // namespace hone::ops
