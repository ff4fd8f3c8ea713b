// y = loop(3, f)(x)  =>  y = f(2, f(1, f(0, x)))        for few runs of a small body
#include "graph/insert.hpp"
#include "graph/ops/control/loop.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

constexpr int64_t most_runs = 32;
constexpr int64_t most_nodes = 512;  // that all runs together may make

struct UnrollLoops : Sweep {
  const char* name() const override { return "unroll_loops"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      const auto* loop = node->as<ops::Loop>();
      if (!loop) continue;
      std::optional<int64_t> runs = loop->runs(InferContext(*node));
      auto nodes = static_cast<int64_t>(loop->body->nodes().size());
      if (!runs || *runs > most_runs || *runs * nodes > most_nodes) continue;
      size_t states = loop->states(node->inputs().size());
      // Nothing to stack: its type is all that is known of a scan output.
      if (*runs == 0 && node->outputs().size() > states) continue;
      unroll(graph, node, *loop, *runs, states);
      changed = true;
    }
    return changed;
  }

 private:
  static void unroll(Graph& graph, Node* node, const ops::Loop& loop, int64_t runs, size_t states) {
    auto begin = node->inputs().begin() + 2;
    std::vector<Value*> values(begin, begin + static_cast<std::ptrdiff_t>(states));
    std::vector<Value*> captures(begin + static_cast<std::ptrdiff_t>(states), node->inputs().end());
    size_t scans = node->outputs().size() - states;
    std::vector<std::vector<Value*>> rows(scans);
    for (int64_t run = 0; run < runs; ++run) {
      std::string prefix = node->name + "/" + std::to_string(run) + "/";
      auto counter = [&](size_t i, Tensor value) {
        bool list = loop.body->inputs()[i]->shape().rank() == 1;
        return graph.add_constant(prefix + "counter", list ? value.reshaped({1}) : value);
      };
      std::vector<Value*> inputs{counter(0, Tensor::scalar<int64_t>(run)), counter(1, Tensor::scalar<bool>(true))};
      inputs.insert(inputs.end(), values.begin(), values.end());
      inputs.insert(inputs.end(), captures.begin(), captures.end());
      std::vector<Value*> outputs = insert_graph(graph, node, *loop.body, inputs, prefix);
      values.assign(outputs.begin() + 1, outputs.begin() + 1 + static_cast<std::ptrdiff_t>(states));
      for (size_t i = 0; i < scans; ++i) rows[i].push_back(row(graph, node, outputs[1 + states + i]));
    }
    for (size_t i = 0; i < scans; ++i)
      values.push_back(graph.insert_before(node, new_op("Concat", {{"axis", int64_t{0}}}), rows[i])->output());
    replace_outputs(graph, node, values);
  }

  static Value* row(Graph& graph, Node* node, Value* value) {
    Value* axes = graph.add_constant(node->name + "/axes", Tensor::of<int64_t>({1}, {0}));
    return graph.insert_before(node, new_op("Unsqueeze"), {value, axes})->output();
  }
};

}  // namespace

std::unique_ptr<Pass> unroll_loops() { return std::make_unique<UnrollLoops>(); }

}  // namespace hone::passes
