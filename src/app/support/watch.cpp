#include "app/support/watch.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"

namespace hone::app {

namespace {

std::vector<Dims> input_dims(const Graph& graph) {
  std::vector<Dims> dims;
  for (const Value* input : graph.inputs()) dims.push_back(input->shape().concrete());
  return dims;
}

bool numeric(const Value& value) { return value.dtype() != DType::string && value.dtype() != DType::undefined; }

/// The node that a step begins with. Lowering names what it makes after that node; nullptr for what it adds itself,
/// such as layout changes.
const Node* first_node(const Graph& graph, const StepInfo& step) {
  std::string name = step.node;
  for (bool found = true; found;) {
    found = false;
    for (const char* suffix : {"/fused", "/nhwc"})
      if (name.ends_with(suffix)) {
        name.resize(name.size() - std::string_view(suffix).size());
        found = true;
      }
  }
  const Node* node = graph.find_node(name);
  return node && step.op.starts_with(node->op().type()) ? node : nullptr;
}

const Node* sole_user(const Graph& graph, const Node& node) {
  const Value* output = node.output();
  bool sole = node.outputs().size() == 1 && output->uses().size() == 1 && !graph.is_output(output);
  return sole ? output->uses()[0].node : nullptr;
}

/// The nodes of each step. What follows a first node alone and begins no step itself was fused into it; where two steps
/// could have taken a node (an addition), it belongs to the one that runs later.
std::vector<std::vector<const Node*>> step_nodes(const Graph& graph, const std::vector<StepInfo>& steps) {
  std::set<const Node*> first;
  for (const StepInfo& step : steps)
    if (const Node* node = first_node(graph, step)) first.insert(node);
  std::vector<std::vector<const Node*>> chains;
  std::map<const Node*, size_t> owner;
  for (const StepInfo& step : steps) {
    chains.emplace_back();
    for (const Node* node = first_node(graph, step); node;) {
      chains.back().push_back(node);
      owner[node] = chains.size();
      node = sole_user(graph, *node);
      if (node && (first.count(node) || node->has(Trait::view))) node = nullptr;
    }
  }
  for (size_t i = 0; i < chains.size(); ++i) {
    auto lost =
        std::find_if(chains[i].begin(), chains[i].end(), [&](const Node* node) { return owner[node] != i + 1; });
    chains[i].erase(lost, chains[i].end());
    // A DequantizeLinear that nothing follows is part of the step that reads it.
    while (chains[i].size() > 1 && chains[i].back()->is("DequantizeLinear")) chains[i].pop_back();
  }
  return chains;
}

}  // namespace

std::vector<Watch> plan_watches(const Graph& graph, const DeviceOptions& device) {
  std::vector<Dims> dims = input_dims(graph);
  auto plan = load(graph, device)->plan_for(dims);
  std::vector<Watch> watches;
  std::set<std::string> seen;
  auto chains = step_nodes(graph, plan->steps());
  for (size_t i = 0; i < chains.size(); ++i) {
    if (chains[i].empty()) continue;
    const Node* node = chains[i].back();
    const Node* before = node->input(0) ? node->input(0)->producer() : nullptr;
    if (node->is("DequantizeLinear") && before && before->is("QuantizeLinear")) continue;  // the same value again
    const Node* quantize = node->is("QuantizeLinear") && before ? node : nullptr;
    const Node* source = quantize ? before : node;
    for (const Value* output : node->outputs()) {
      if (!numeric(*output) || !output->shape().is_static() || !seen.insert(output->name).second) continue;
      const Value* stands_for = quantize ? node->input(0) : output;
      watches.push_back({stands_for->name, source->place(), source->op().type(), plan->steps()[i].kernel, output->name,
                         to_string(output->type), output->shape().concrete(), quantize});
    }
  }
  return watches;
}

WatchedModel::WatchedModel(const Graph& graph, const DeviceOptions& device, const std::vector<Watch>& watches) {
  Graph copy = graph.clone();
  std::map<std::string, size_t> known;
  for (size_t i = 0; i < copy.outputs().size(); ++i) known.emplace(copy.outputs()[i].value->name, i);
  for (const Watch& watch : watches) {
    auto [it, fresh] = known.emplace(watch.value, copy.outputs().size());
    if (fresh) copy.add_output("watched/" + std::to_string(it->second), copy.find_value(watch.value));
    positions_.push_back(it->second);
  }
  session_ = std::make_unique<Session>(load(copy, device));
}

void WatchedModel::run(std::span<const Tensor> inputs) { values_ = session_->run(inputs); }

std::vector<float> watched_floats(const Watch& watch, const Tensor& value) {
  if (!watch.quantize) return value.to_floats();
  const Node& quantize = *watch.quantize;
  const Value* scale = quantize.input(1);
  const Value* zero = quantize.input(2);
  if (!scale->is_constant() || (zero && !zero->is_constant())) return value.to_floats();
  auto op = make_op("", "DequantizeLinear");
  Attributes attributes;
  for (auto& [name, attribute] : get_attributes(quantize.op()))
    if (name == "axis" || name == "block_size") attributes[name] = attribute;
  set_attributes(*op, attributes);
  std::vector<const Tensor*> inputs{&value, &scale->constant(), zero ? &zero->constant() : nullptr};
  std::vector<Tensor> outputs(1);
  EvalContext context(quantize.place(), inputs, outputs);
  op->evaluate(context);
  return outputs[0].to_floats();
}

Graph cut_out(const Graph& graph, const std::string& target, const std::vector<std::string>& stops,
              std::vector<std::string>& inputs) {
  Graph cut;
  std::map<const Value*, Value*> made;
  std::set<std::string> stop(stops.begin(), stops.end());
  stop.erase(target);
  std::set<const Node*> needed;
  std::vector<const Value*> open{graph.find_value(target)};
  std::set<const Value*> visited(open.begin(), open.end());
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (value->is_constant() || !value->producer() || stop.count(value->name)) continue;
    needed.insert(value->producer());
    for (const Value* input : value->producer()->inputs())
      if (input && visited.insert(input).second) open.push_back(input);
  }
  auto get = [&](const Value* value) -> Value* {
    if (!value) return nullptr;
    Value*& slot = made[value];
    if (slot) return slot;
    if (value->is_constant()) return slot = cut.add_constant(value->name, value->constant());
    inputs.push_back(value->name);
    return slot = cut.add_input(value->name, value->dtype(), value->shape());
  };
  for (const auto& node : graph.nodes()) {
    if (!needed.count(node.get())) continue;
    std::vector<Value*> arguments;
    for (const Value* input : node->inputs()) arguments.push_back(get(input));
    Node* copy = cut.add(node->op().clone(), arguments, node->name, static_cast<int>(node->outputs().size()));
    for (size_t i = 0; i < node->outputs().size(); ++i)
      if (!stop.count(node->output(i)->name)) made[node->output(i)] = copy->output(i);
  }
  cut.add_output("result", made.at(graph.find_value(target)));
  return cut;
}

}  // namespace hone::app
