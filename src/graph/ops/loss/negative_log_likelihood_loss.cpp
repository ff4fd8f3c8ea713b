#include "graph/ops/loss/loss.hpp"
#include "graph/ops/nn/compute.hpp"

namespace hone::ops {

/// loss[n, d] = -weights[label] * x[n, label, d], where x holds log-probabilities. See loss.hpp for the shapes.
struct NegativeLogLikelihoodLoss : OpOf<NegativeLogLikelihoodLoss>, LossFields {
  const char* type() const override { return "NegativeLogLikelihoodLoss"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 3, .summary = "loss = -weights[label] x[label], reduced"};
  }
  void attributes(AttributeVisitor& visitor) override { visit(visitor); }
  void infer(InferContext& context) const override { infer_loss(context, *this); }

  void evaluate(EvalContext& context) const override {
    check_loss(context, *this);
    with_float(context, context.in(0).dtype(),
               [&]<class T>(T) { reduce_loss(context, *this, pointer<T>(input_as<T>(context, 0))); });
  }
};

HONE_DEFINE_OP(NegativeLogLikelihoodLoss)

}  // namespace hone::ops
