#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/op.hpp"

/// What NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss share. Inputs: scores [N, C, d...], labels [N, d...],
/// weights of the classes [C] (optional).
namespace hone::ops {

struct LossFields {
  std::optional<int64_t> ignore_index;  ///< a label whose elements do not count
  std::string reduction = "mean";       ///< none, sum or mean (of the elements that count, by their weights)

  void visit(AttributeVisitor& visitor);
};

/// The shape rule of output 0: [N, d...] or a scalar.
void infer_loss(InferContext& context, const LossFields& fields);
/// Makes output 0 out of the log-probabilities [N, C, d...]; T is float or double.
template <class T>
void reduce_loss(EvalContext& context, const LossFields& fields, const T* log_probabilities);
/// Fails unless the shapes of the inputs fit.
void check_loss(const EvalContext& context, const LossFields& fields);

}  // namespace hone::ops
