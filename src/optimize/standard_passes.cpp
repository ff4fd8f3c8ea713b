#include "optimize/passes/passes.hpp"

namespace hone {

std::vector<std::unique_ptr<Pass>> standard_passes() {
  using namespace passes;
  std::vector<std::unique_ptr<Pass>> list;
  auto run = [&](std::unique_ptr<Pass> pass) { list.push_back(std::move(pass)); };

  // Less to look at.
  run(remove_dead());
  run(fold_constants());
  run(inline_if());
  run(unroll_loops());
  run(remove_identities());
  run(merge_common());
  run(merge_reshapes());
  run(cancel_transposes());

  // Formulas become the ops that they are. Before folding, which would absorb their first Add or Mul.
  run(recover_clip());
  run(recover_hard_activations());
  run(recover_smooth_activations());
  run(recover_gelu());
  run(recover_layer_norm());
  run(recover_global_pool());
  run(recover_gemm());

  // Neighbors disappear into convolutions and matrix products.
  run(fold_batch_norm());
  run(fold_scale());
  run(fold_pad());
  run(split_batch_norm());  // those that found nothing to fold into
  return list;
}

}  // namespace hone
