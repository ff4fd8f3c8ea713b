#include "graph/ops/activation/softmax.hpp"

#include <cmath>

#include "graph/ops/activation/along_axis.hpp"

namespace hone::ops {

OpSpec Softmax::spec() const { return {.summary = "y = e^x / sum(e^x) along an axis"}; }
void Softmax::attributes(AttributeVisitor& visitor) { visitor.field("axis", axis); }
void Softmax::infer(InferContext& context) const { infer_along_axis(context, axis); }

void Softmax::evaluate(EvalContext& context) const {
  evaluate_along_axis(context, axis, [](const auto* x, auto* y, int64_t size) {
    auto top = largest(x, size);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += y[i] = std::exp(x[i] - top);
    using Real = std::remove_reference_t<decltype(*y)>;
    Real inverse = static_cast<Real>(1 / sum);
    for (int64_t i = 0; i < size; ++i) y[i] *= inverse;
  });
}

HONE_DEFINE_OP(Softmax)

}  // namespace hone::ops
