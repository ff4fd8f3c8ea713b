#include "graph/ops/activation/log_softmax.hpp"

#include <cmath>

#include "graph/ops/activation/along_axis.hpp"

namespace hone::ops {

OpSpec LogSoftmax::spec() const { return {.summary = "y = x - ln(sum(e^x)) along an axis"}; }
void LogSoftmax::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }
void LogSoftmax::infer(InferContext& context) const { infer_along_axis(context, axis); }

void LogSoftmax::evaluate(EvalContext& context) const {
  evaluate_along_axis(context, axis, [](const auto* x, auto* y, int64_t size) {
    auto top = largest(x, size);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += std::exp(x[i] - top);
    auto shift = static_cast<std::remove_reference_t<decltype(*y)>>(std::log(sum));
    for (int64_t i = 0; i < size; ++i) y[i] = x[i] - top - shift;
  });
}

HONE_DEFINE_OP(LogSoftmax)

}  // namespace hone::ops
