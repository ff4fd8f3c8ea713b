#pragma once
#include "optimize/pass_manager.hpp"

namespace hone {

/// As optimize(), for a graph that becomes a file: what depends on the batch is not folded, so that the file works for
/// every batch size that the graph works for, also where its inputs are declared for one (`hone convert --batch`
/// changes that). They stay declared as they are. Where a free batch size would leave work that optimize() removes,
/// such as an If that asks for it, this is optimize().
PassReport optimize_for_any_batch(Graph& graph, const PassOptions& options = {});

}  // namespace hone
