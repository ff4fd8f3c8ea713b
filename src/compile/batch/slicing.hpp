#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/function_ref.hpp"
#include "compile/batch/sliced_plan.hpp"
#include "graph/graph.hpp"

namespace hone::batch {

/// Whether `whole` gives what `count` runs of `slice` give, one behind the other along the first axis of every output,
/// when its inputs that differ in size are cut likewise. Both are the same graph with other input sizes, with
/// constants folded. Returns why not; empty: it does.
std::string why_not_cut(const Graph& whole, const Graph& slice, int64_t count);

/// How many of `samples` to run at a time: as few as read the weights not much more often than they are worth, which
/// keeps activations in the cache, and not so few that nothing is left to do. `one` is the graph of a single sample. `samples`: all of them.
int64_t slice_size(const Graph& one, int64_t samples);

/// How a batch of `samples` is best cut, where it can be and pays. `graph_for(n)`: the graph for n samples; it may
/// throw Error where it takes only one number of them.
std::optional<Slices> choose_slices(int64_t samples, FunctionRef<Graph(int64_t)> graph_for);

}  // namespace hone::batch
