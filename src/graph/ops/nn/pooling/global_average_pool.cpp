#include "graph/ops/nn/pooling/global_average_pool.hpp"

#include "graph/ops/nn/pooling/global_pool.hpp"

namespace hone::ops {

OpSpec GlobalAveragePool::spec() const { return {.summary = "y = the mean of each channel"}; }

void GlobalAveragePool::infer(InferContext& context) const { infer_global_pool(context); }

void GlobalAveragePool::evaluate(EvalContext& context) const {
  evaluate_global_pool(context, [](const auto* x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
    return sum / static_cast<double>(count);
  });
}

HONE_DEFINE_OP(GlobalAveragePool)

}  // namespace hone::ops
