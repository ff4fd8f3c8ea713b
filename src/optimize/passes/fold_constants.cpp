// f(c1, c2 ...) => c        for constants c1, c2 ... and everything that is known before running, such as sizes
#include "base/error.hpp"
#include "base/log.hpp"
#include "graph/ops/control/control.hpp"
#include "optimize/match.hpp"
#include "optimize/passes/passes.hpp"
#include "optimize/sweep.hpp"

namespace hone::passes {

namespace {

/// A result above this many bytes that is larger than what it is made of stays a node: a file that says "fill 1 GB with
/// zeros" or stores its weights in half precision must not grow.
constexpr size_t large = 16 << 20;

struct FoldConstants : Sweep {
  const char* name() const override { return "fold_constants"; }

  bool sweep(Graph& graph) const override {
    bool changed = false;
    for (Node* node : graph.node_list()) {
      if (!may_fold(graph, *node)) continue;
      std::vector<Tensor> results = known_sizes(*node);
      if (results.empty()) results = evaluated(*node);
      if (results.empty()) continue;
      for (size_t i = 0; i < results.size(); ++i) {
        Value* old = node->output(i);
        if (!results[i].defined()) continue;
        Value* constant = graph.add_constant(old->name, results[i]);
        graph.replace_uses(old, constant);
        std::string name = old->name;
        graph.rename(old, graph.unique_name(name + "/folded"));
        graph.rename(constant, name);
      }
      graph.erase(node);
      changed = true;
    }
    return changed;
  }

 private:
  static bool may_fold(const Graph& graph, const Node& node) {
    // Quantized weights stay behind their DequantizeLinear: folding would turn an INT8 file into an FP32 one.
    if (node.has(Trait::random) || is_quantizer(node)) return false;
    if (ops::control_op(node) && !ops::body_runs(node)) return false;  // it may never end
    for (const Value* output : node.outputs())
      if (graph.is_output(output)) return false;  // a graph output is made by a node
    return true;
  }

  /// Shape(x) and what is computed from it, where all the sizes are known.
  static std::vector<Tensor> known_sizes(const Node& node) {
    if (node.outputs().size() != 1) return {};
    const Value* value = node.output();
    if (!value->dims_value || value->dtype() != DType::i64 || !value->shape().is_static() || value->shape().rank() > 1)
      return {};
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->dims_value) {
      if (!dim.known()) return {};
      sizes.push_back(dim.value);
    }
    Dims dims = value->shape().concrete();
    if (element_count(dims) != static_cast<int64_t>(sizes.size())) return {};
    return {Tensor::of<int64_t>(dims, sizes)};
  }

  static std::vector<Tensor> evaluated(const Node& node) {
    std::vector<const Tensor*> inputs;
    size_t input_bytes = 0, output_bytes = 0;
    for (const Value* input : node.inputs()) {
      if (input && !input->is_constant()) return {};
      inputs.push_back(input ? &input->constant() : nullptr);
      if (input) input_bytes += input->constant().bytes();
    }
    for (const Value* output : node.outputs()) {
      if (!output->shape().is_static()) {
        // Only data-dependent ops know their sizes this late.
        if (!node.has(Trait::data_dependent) || input_bytes > large) return {};
        continue;
      }
      output_bytes += static_cast<size_t>(element_count(output->shape().concrete())) * size_of(output->dtype());
    }
    bool stored = node.is("Constant");
    if (!stored && output_bytes > large && output_bytes > input_bytes) return {};
    try {
      return evaluate_node(node, inputs);
    } catch (const Error& error) {
      log(LogLevel::debug, std::string("not folded: ") + error.what());  // running the model says what is wrong
      return {};
    }
  }
};

}  // namespace

std::unique_ptr<Pass> fold_constants() { return std::make_unique<FoldConstants>(); }

}  // namespace hone::passes
