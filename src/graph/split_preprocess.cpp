#include "graph/split_preprocess.hpp"

namespace hone {

namespace {

/// The nodes from the image up to and with the first Resize; empty when the way there branches or ends.
std::vector<const Node*> chain_to_resize(const Graph& model) {
  std::vector<const Node*> chain;
  if (model.inputs().size() != 1) return {};
  for (const Value* value = model.inputs()[0]; model.use_count(value) == 1 && value->uses().size() == 1;) {
    const Node* node = value->uses()[0].node;
    for (const Value* input : node->inputs())
      if (input && input != value && !input->is_constant()) return {};
    if (node->outputs().size() != 1) return {};
    chain.push_back(node);
    if (node->is("Resize")) return chain;
    value = node->output();
  }
  return {};
}

}  // namespace

std::optional<SplitModel> split_after_resize(const Graph& model) {
  std::vector<const Node*> chain = chain_to_resize(model);
  if (chain.empty()) return std::nullopt;
  SplitModel result;
  const Value* image = model.inputs()[0];
  const Value* source = image;
  Value* current = result.prepare.add_input(image->name, image->dtype(), image->shape());
  for (const Node* node : chain) {
    std::vector<Value*> inputs;
    for (const Value* input : node->inputs())
      inputs.push_back(!input            ? nullptr
                       : input == source ? current
                                         : result.prepare.add_constant(input->name, input->constant()));
    current = result.prepare.add(node->op().clone(), inputs, node->name)->output();
    source = node->output();
  }
  result.prepare.add_output("resized", current);

  result.network = model.clone();
  Value* cut = result.network.find_value(source->name);
  Value* input = result.network.add_input("resized", source->dtype(), source->shape());
  result.network.replace_uses(cut, input);
  result.network.remove_dead();
  result.network.erase(result.network.inputs()[0]);
  result.network.infer();
  return result;
}

Graph preprocess_only(const Preprocess& preprocess) {
  Graph graph;
  graph.name = "preprocess";
  Value* input = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, preprocess.height, preprocess.width});
  graph.add_output("tensor", graph.add(make_op("", "Identity"), {input}, "identity")->output());
  attach_preprocess(graph, preprocess);
  return graph;
}

}  // namespace hone
