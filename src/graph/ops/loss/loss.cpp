#include "graph/ops/loss/loss.hpp"

#include <fmt/format.h>

#include "graph/ops/axis.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

void LossFields::visit(AttributeVisitor& visitor) {
  visitor.field("ignore_index", ignore_index);
  visitor.field("reduction", reduction);
}

namespace {

template <class Context>
void check(Context& context, const LossFields& fields, const Shape& scores, const Shape& labels) {
  if (fields.reduction != "none" && fields.reduction != "sum" && fields.reduction != "mean")
    context.fail("reduction is '" + fields.reduction + "', expected none, sum or mean");
  if (!scores.ranked || !labels.ranked) return;
  bool fits = scores.rank() >= 2 && labels.rank() == scores.rank() - 1;
  for (size_t i = 0; fits && i < labels.dims.size(); ++i) {
    const Dim &a = labels[i], &b = scores[i == 0 ? 0 : i + 1];
    fits = !a.known() || !b.known() || a == b;
  }
  if (!fits)
    context.fail(fmt::format("input {} and labels {} do not fit, expected [N, C, d...] and [N, d...]",
                             to_string(scores), to_string(labels)));
}

}  // namespace

void infer_loss(InferContext& context, const LossFields& fields) {
  const Shape &scores = context.shape(0), &labels = context.shape(1);
  require_types(context, 0, Types::floats);
  require_types(context, 1, Types::integers);
  check(context, fields, scores, labels);
  check_vector(context, 2, "weights", scores.ranked && scores.rank() > 1 ? scores[1] : Dim());
  Shape result = labels;
  if (!result.ranked && scores.ranked && scores.rank() > 1) {
    result = scores;
    result.dims.erase(result.dims.begin() + 1);
  }
  context.set_output(0, context.dtype(0), fields.reduction == "none" ? result : Shape(Dims{}));
}

void check_loss(const EvalContext& context, const LossFields& fields) {
  check(context, fields, Shape(context.in(0).dims()), Shape(context.in(1).dims()));
  if (context.has(2)) check_vector(context, 2, "weights", context.in(0).dim(1));
}

template <class T>
void reduce_loss(EvalContext& context, const LossFields& fields, const T* log_probabilities) {
  const Tensor& labels = context.in(1);
  DType dtype = context.in(0).dtype();
  AxisView view(context.in(0).dims(), 1);
  std::vector<int64_t> classes = labels.to_ints();
  Tensor weights;
  if (context.has(2)) weights = input_as<T>(context, 2);
  std::vector<T> losses(classes.size(), T(0));
  double total = 0, weight_sum = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    int64_t label = classes[i], n = static_cast<int64_t>(i) / view.inner, at = static_cast<int64_t>(i) % view.inner;
    if (fields.ignore_index && label == *fields.ignore_index) continue;
    if (label < 0 || label >= view.size)
      context.fail(fmt::format("label {} is outside the {} classes", label, view.size),
                   "say which label to skip with ignore_index");
    T weight = weights.defined() ? pointer<T>(weights)[label] : T(1);
    losses[i] = -log_probabilities[(n * view.size + label) * view.inner + at] * weight;
    total += static_cast<double>(losses[i]);
    weight_sum += static_cast<double>(weight);
  }
  if (fields.reduction == "none")
    return output_as<T>(context, 0, dtype, labels.dims(), [&](T* y) { std::copy(losses.begin(), losses.end(), y); });
  output_as<T>(context, 0, dtype, {},
               [&](T* y) { *y = static_cast<T>(fields.reduction == "mean" ? total / weight_sum : total); });
}

template void reduce_loss(EvalContext&, const LossFields&, const float*);
template void reduce_loss(EvalContext&, const LossFields&, const double*);

}  // namespace hone::ops
