#pragma once
#include <memory>

#include "optimize/pass.hpp"

/// The passes of the optimize stage, one file each; the first comment of a file is the equation.
namespace hone::passes {

std::unique_ptr<Pass> remove_dead();
std::unique_ptr<Pass> fold_constants();
std::unique_ptr<Pass> inline_if();
std::unique_ptr<Pass> unroll_loops();
std::unique_ptr<Pass> remove_identities();
std::unique_ptr<Pass> merge_common();
std::unique_ptr<Pass> merge_reshapes();
std::unique_ptr<Pass> cancel_transposes();
std::unique_ptr<Pass> recover_clip();
std::unique_ptr<Pass> recover_hard_activations();
std::unique_ptr<Pass> recover_smooth_activations();
std::unique_ptr<Pass> recover_gelu();
std::unique_ptr<Pass> recover_layer_norm();
std::unique_ptr<Pass> recover_global_pool();
std::unique_ptr<Pass> recover_gemm();
std::unique_ptr<Pass> fold_batch_norm();
std::unique_ptr<Pass> fold_scale();
std::unique_ptr<Pass> fold_pad();
std::unique_ptr<Pass> split_batch_norm();

}  // namespace hone::passes
