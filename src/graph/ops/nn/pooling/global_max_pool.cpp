#include "graph/ops/nn/pooling/global_max_pool.hpp"

#include "graph/ops/nn/pooling/global_pool.hpp"

namespace hone::ops {

OpSpec GlobalMaxPool::spec() const {
  return {.traits = 0u | Trait::scale_preserving, .summary = "y = the largest element of each channel"};
}

void GlobalMaxPool::infer(InferContext& context) const { infer_global_pool(context); }

void GlobalMaxPool::evaluate(EvalContext& context) const {
  evaluate_global_pool(context, [](const auto* x, int64_t count) { return *std::max_element(x, x + count); });
}

HONE_DEFINE_OP(GlobalMaxPool)

}  // namespace hone::ops
