#include "optimize/any_batch.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/batch.hpp"
#include "graph/ops/control/control.hpp"

namespace hone {

namespace {

/// A name that no size of an input has.
Dim free_size(const Graph& graph) {
  std::set<std::string> used;
  for (const Value* input : graph.inputs())
    for (const Dim& dim : input->shape().dims) used.insert(dim.symbol);
  std::string name = "batch";
  while (used.count(name)) name += "_";
  return Dim::named(name);
}

/// Whether all inputs of rank 2 or more are declared for one batch size.
bool declared_for_one_batch(const Graph& graph) {
  std::vector<Dim> sizes;
  for (const Value* input : graph.inputs())
    if (input->shape().rank() >= 2) sizes.push_back(input->shape()[0]);
  return !sizes.empty() && sizes[0].known() &&
         std::all_of(sizes.begin(), sizes.end(), [&](const Dim& size) { return size == sizes[0]; });
}

/// What computes a size, or lays out elements with one.
bool handles_sizes(const Node& node) {
  static const std::set<std::string> layout{"Reshape", "Expand", "ConstantOfShape", "Tile", "Concat", "Slice",
                                            "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Gather", "Pad"};
  if (layout.count(node.op().type())) return true;
  return !ops::control_op(node) && std::all_of(node.outputs().begin(), node.outputs().end(), [](const Value* value) {
    return is_integer(value->dtype()) || value->dtype() == DType::boolean;
  });
}

/// How many nodes there are of each other op.
std::map<std::string, int> count_work(const Graph& graph) {
  std::map<std::string, int> counts;
  for (auto& node : graph.nodes())
    if (!handles_sizes(*node)) ++counts[node->op().type()];
  return counts;
}

/// Whether `free` does what `fixed` does but for computing sizes, and shapes are known as well.
bool as_good(const Graph& free, const Graph& fixed) {
  if (count_work(free) != count_work(fixed)) return false;
  for (size_t i = 0; i < fixed.outputs().size(); ++i)
    if (free.outputs()[i].value->type != fixed.outputs()[i].value->type) return false;
  auto open = [](const Graph& graph) {
    int64_t count = 0;
    for (auto& node : graph.nodes())
      for (const Value* output : node->outputs()) count += !output->shape().is_static();
    return count;
  };
  return open(free) <= open(fixed);
}

}  // namespace

PassReport optimize_for_any_batch(Graph& graph, const PassOptions& options) {
  Graph free = graph.clone();
  PassReport report = optimize(graph, options);
  if (!declared_for_one_batch(free)) return report;
  std::vector<Type> declared;
  for (const Value* input : free.inputs()) declared.push_back(input->type);
  try {
    set_batch(free, free_size(free));
    PassReport other = optimize(free, options);
    for (size_t i = 0; i < declared.size(); ++i) free.set_input_type(free.inputs()[i], declared[i]);
    free.infer();
    if (!as_good(free, graph)) return report;
    graph = std::move(free);
    return other;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    return report;  // a model for one batch size
  }
}

}  // namespace hone
