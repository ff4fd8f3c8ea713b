#include "export/onnx/standard_form.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/onnx_format.hpp"
#include "graph/ops/activation/swish.hpp"
#include "graph/ops/control/control.hpp"

namespace hone::onnx {

// ---- names ----

bool Names::claim(const Value* value, const std::string& name) {
  if (names_.count(value) || !taken_->names.insert(name).second) return false;
  names_.emplace(value, name);
  return true;
}

Names::Names(const Graph& graph) : taken_(std::make_shared<Taken>()) {
  for (const Value* input : graph.inputs()) claim(input, input->name);
  std::unordered_set<std::string> outputs;
  for (const GraphOutput& output : graph.outputs()) {
    std::string place = "output '" + output.name + "'";
    if (!outputs.insert(output.name).second) throw Error(place, "is the name of two outputs", "rename one of them");
    if (taken_->names.count(output.name) && of(output.value) != output.name)
      throw Error(place, "has the name of an input", "rename one of them");
  }
  for (const GraphOutput& output : graph.outputs())
    if (output.value->producer()) claim(output.value, output.name);
  taken_->names.insert(outputs.begin(), outputs.end());
  name_the_rest(graph);
}

Names::Names(const Graph& body, const Names& around, std::span<const std::string> captures) : taken_(around.taken_) {
  size_t own = body.inputs().size() - captures.size();
  for (size_t i = 0; i < captures.size(); ++i) names_.emplace(body.inputs()[own + i], captures[i]);
  for (size_t i = 0; i < own; ++i) names_.emplace(body.inputs()[i], fresh(body.inputs()[i]->name));
  name_the_rest(body);
}

void Names::name_the_rest(const Graph& graph) {
  auto name = [&](const Value* value) {
    if (value && !names_.count(value)) names_.emplace(value, fresh(value->name));
  };
  for (auto& node : graph.nodes()) {
    for (const Value* input : node->inputs()) name(input);
    for (const Value* output : node->outputs()) name(output);
  }
  for (const GraphOutput& output : graph.outputs()) name(output.value);
}

const std::string& Names::of(const Value* value) const {
  static const std::string none;
  auto it = names_.find(value);
  return it == names_.end() ? none : it->second;
}

std::string Names::fresh(const std::string& wanted) {
  std::string candidate = wanted;
  while (!taken_->names.insert(candidate).second)
    candidate = fmt::format("{}_{}", wanted, ++taken_->serial[wanted]);
  return candidate;
}

// ---- ops of the hone domain ----

namespace {

/// y = x * sigmoid(alpha * x)
StandardForm swish(const Node& node, Names& names) {
  StandardForm form;
  const std::string &x = names.of(node.input(0)), &y = names.of(node.output());
  float alpha = node.as<ops::Swish>()->alpha;
  std::string inner = x;
  if (alpha != 1) {
    std::string factor = names.fresh(node.name + "_alpha");
    form.constants.emplace_back(factor, Tensor::scalar<float>(alpha).cast(node.input(0)->dtype()));
    inner = names.fresh(node.name + "_scaled");
    form.nodes.push_back({"Mul", node.name + "_scale", {x, factor}, {inner}, {}});
  }
  std::string gate = names.fresh(node.name + "_gate");
  form.nodes.push_back({"Sigmoid", node.name + "_sigmoid", {inner}, {gate}, {}});
  form.nodes.push_back({"Mul", node.name, {x, gate}, {y}, {}});
  return form;
}

struct Expansion {
  const char* op;
  StandardForm (*expand)(const Node&, Names&);
};
constexpr Expansion expansions[] = {
    {"Swish", swish},
};

}  // namespace

StandardForm standard_form(const Node& node, Names& names) {
  std::string_view domain = node.op().domain();
  if (!domain.empty()) {
    for (const Expansion& line : expansions)
      if (domain == "hone" && node.is(line.op)) return line.expand(node, names);
    throw Error(node.place(), fmt::format("op {}.{} has no form in standard ONNX", domain, node.op().type()),
                "export the graph as it was before it was compiled");
  }
  StandardNode same{node.op().type(), node.name, {}, {}, get_attributes(node.op())};
  // Attributes that came after opset 21 and say nothing when they are 0; older runtimes refuse their names.
  for (const char* name : {"output_dtype", "precision"}) {
    auto it = same.attributes.find(name);
    const int64_t* value = it == same.attributes.end() ? nullptr : std::get_if<int64_t>(&it->second);
    if (value && *value == 0) same.attributes.erase(it);
  }
  const ops::ControlOp* control = ops::control_op(node);
  size_t inputs = control ? control->own_inputs(node.inputs().size()) : node.inputs().size();
  for (size_t i = 0; i < inputs; ++i) same.inputs.push_back(names.of(node.input(i)));
  if (control) {
    same.attributes.erase("captures");
    std::erase_if(same.attributes,
                  [](auto& entry) { return std::holds_alternative<std::shared_ptr<Graph>>(entry.second); });
  }
  for (const Value* output : node.outputs()) same.outputs.push_back(names.of(output));
  return {{std::move(same)}, {}};
}

int64_t needed_opset(const StandardNode& node) {
  static const std::pair<const char*, int64_t> newer[] = {
      {"Attention", 23},     {"RMSNormalization", 23}, {"RotaryEmbedding", 23},
      {"TensorScatter", 24}, {"BitCast", 26},          {"CumProd", 26}};
  constexpr size_t lengths_of_padded = 6;  // the input of Attention that came with 24
  if (node.op == "Attention" && node.inputs.size() > lengths_of_padded && !node.inputs[lengths_of_padded].empty())
    return 24;
  for (auto& [op, opset] : newer)
    if (node.op == op) return opset;
  return graph_opset;
}

}  // namespace hone::onnx
