#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "graph/ops/shape/constant.hpp"
#include "import/onnx/graph_builder.hpp"

namespace hone::onnx {

namespace {

constexpr size_t most_calls = 64;         // of functions inside each other
constexpr size_t most_nodes = 1'000'000;  // after functions took the place of their calls
const char* const broken = "the file is broken; export the model again";

template <class T>
Tensor list_tensor(const std::vector<T>& values) {
  return Tensor::of<T>({static_cast<int64_t>(values.size())}, values);
}

Tensor constant_tensor(const ops::Constant& op, const NodeDef& def) {
  if (op.value.defined()) return op.value;
  if (op.value_float) return Tensor::scalar<float>(*op.value_float);
  if (op.value_int) return Tensor::scalar<int64_t>(*op.value_int);
  if (def.attributes.count("value_floats")) return list_tensor(op.value_floats);
  if (def.attributes.count("value_ints")) return list_tensor(op.value_ints);
  if (def.attributes.count("value_string")) return Tensor(Dims{}, std::vector<std::string>{op.value_string});
  if (def.attributes.count("value_strings"))
    return Tensor({static_cast<int64_t>(op.value_strings.size())}, op.value_strings);
  std::string found = def.unreadable.empty() ? "no value" : "a value that is " + def.unreadable.begin()->second;
  throw Error(def.place(), "has " + found + ", expected a tensor, number or string", "export the model again");
}

}  // namespace

int64_t onnx_opset(const ModelDef& model, const std::map<std::string, int64_t>& opsets) {
  for (const auto* imports : {&opsets, &model.opsets})
    if (auto it = imports->find(""); it != imports->end()) return it->second;
  return graph_opset;
}

const FunctionDef* ModelDef::function_of(const NodeDef& node) const {
  auto it = functions.find({node.domain, node.op, node.overload});
  // A function of the model goes before what Hone knows of that name, whose domain has become a part of it.
  constexpr std::string_view contributed = "com.microsoft.";
  if (it == functions.end() && node.domain.empty() && node.op.starts_with(contributed))
    it = functions.find({"com.microsoft", node.op.substr(contributed.size()), node.overload});
  return it == functions.end() ? nullptr : &it->second;
}

GraphBuilder::GraphBuilder(ModelContext& context, const CallContext& call, Graph& graph, ValuesByName values,
                           std::string prefix)
    : context_(context),
      call_(call),
      graph_(graph),
      normalizer_(graph, std::min(onnx_opset(context.model, call.opsets), newest_opset)),
      values_(std::move(values)),
      prefix_(std::move(prefix)) {}

void GraphBuilder::add_nodes(const GraphDef& def, const std::string& place) {
  std::vector<size_t> order =
      computation_order(def, place, [&](const std::string& name) { return values_.count(name) > 0; });
  for (const NodeDef& node : def.nodes) {
    used_.insert(node.inputs.begin(), node.inputs.end());
    for (auto& [attribute, body] : node.graphs) used_.insert(body->captured.begin(), body->captured.end());
  }
  for (const ValueDef& output : def.outputs) used_.insert(output.name);
  for (const ConstantDef& constant : def.initializers)
    values_[constant.name] = graph_.add_constant(prefix_ + constant.name, constant.tensor);
  for (size_t index : order) add_node(def.nodes[index]);
}

Value* GraphBuilder::output(const std::string& name) const {
  Value* value = values_.at(name);
  if (!value) throw Error("output '" + name + "'", "is an input that the call of the function leaves out", broken);
  return value;
}

void GraphBuilder::add_node(const NodeDef& def) {
  NodeDef resolved;
  const NodeDef* node = &def;
  if (!def.references.empty()) resolved = without_references(def), node = &resolved;
  if (const FunctionDef* function = context_.model.function_of(*node)) return add_call(*node, *function);
  if (node->domain.empty() && node->op == "Constant") return add_constant(*node);
  if (is_control_flow(*node)) return add_control(*node);
  if (is_flex_attention(*node)) return add_flex_attention(*node);
  if (!node->graphs.empty())
    throw Error(node->place(), fmt::format("attribute '{}' is a graph, which {} does not have",
                                           node->graphs.begin()->first, node->op), broken);
  add_plain(*node);
}

/// The node with the attributes of the call in place of references to them.
NodeDef GraphBuilder::without_references(const NodeDef& def) const {
  NodeDef node = def;
  for (auto& [name, wanted] : def.references) {
    if (!call_.function)
      throw Error(def.place(), fmt::format("attribute '{}' refers to an attribute of a function, outside of one", name),
                  broken);
    auto it = call_.attributes.find(wanted);
    if (it != call_.attributes.end()) node.attributes[name] = it->second;  // otherwise it has its default
  }
  node.references.clear();
  return node;
}

std::vector<Value*> GraphBuilder::arguments(const NodeDef& def) const {
  std::vector<Value*> inputs;
  for (const std::string& input : def.inputs) inputs.push_back(input.empty() ? nullptr : values_.at(input));
  return inputs;
}

void GraphBuilder::name_outputs(const NodeDef& def, const std::vector<Value*>& outputs) {
  for (size_t i = 0; i < def.outputs.size() && i < outputs.size(); ++i) {
    if (def.outputs[i].empty()) continue;
    if (outputs[i] && outputs[i]->producer()) graph_.rename(outputs[i], prefix_ + def.outputs[i]);
    values_[def.outputs[i]] = outputs[i];
  }
}

DraftNode GraphBuilder::draft(const NodeDef& def) const {
  return {prefix_ + def.name, def.op, def.domain, arguments(def), def.outputs, def.attributes};
}

void GraphBuilder::add_plain(const NodeDef& def) {
  DraftNode node = draft(def);
  trim_outputs(node);
  normalize(node, normalizer_);
  auto op = make_op(node.domain, node.op);
  set_op_attributes(*op, node, def);
  Node* made = graph_.add(std::move(op), node.inputs, node.name, static_cast<int>(node.outputs.size()));
  std::vector<Value*> outputs = made->outputs();
  for (auto [i, value] : node.ready) {
    outputs.resize(std::max(outputs.size(), i + 1), nullptr);
    outputs[i] = value;
  }
  name_outputs(def, outputs);
}

/// Trailing outputs that nobody reads go: masks of dropout, indices of pools, statistics of batch norm.
void GraphBuilder::trim_outputs(DraftNode& node) const {
  OpSpec spec = make_op(node.domain, normalized_op(node.domain, node.op, normalizer_.opset))->spec();
  auto least = static_cast<size_t>(std::max(spec.max_outputs < 0 ? INT_MAX : spec.min_outputs, 0));
  while (node.outputs.size() > least && !(used_.count(node.outputs.back()) && !node.outputs.back().empty()))
    node.outputs.pop_back();
}

void GraphBuilder::set_op_attributes(Op& op, const DraftNode& node, const NodeDef& def) {
  std::vector<std::string> unknown;
  try {
    unknown = set_attributes(op, node.attributes);
  } catch (const Error& error) {
    throw Error(node.place(), error.problem(), error.remedy());
  }
  Attributes fields = get_attributes(op);
  for (auto& [name, kind] : def.unreadable) {
    if (fields.count(name)) node.fail(fmt::format("attribute '{}' is {}", name, kind));
    unknown.push_back(name);
  }
  for (const std::string& name : unknown)
    if (context_.warned.insert(node.op + "." + name).second)
      warn(fmt::format("{}: attribute '{}' is not one that {} has; it is ignored", node.place(), name, node.op));
}

void GraphBuilder::add_constant(const NodeDef& def) {
  if (def.outputs.size() != 1 || def.outputs[0].empty()) throw Error(def.place(), "expected one output");
  ops::Constant op;
  try {
    set_attributes(op, def.attributes);
  } catch (const Error& error) {
    throw Error(def.place(), error.problem(), error.remedy());
  }
  values_[def.outputs[0]] = graph_.add_constant(prefix_ + def.outputs[0], constant_tensor(op, def));
}

void GraphBuilder::add_call(const NodeDef& def, const FunctionDef& function) {
  const GraphDef& body = function.body;
  if (def.inputs.size() > body.inputs.size() || def.outputs.size() > body.outputs.size())
    throw Error(def.place(), fmt::format("has {} inputs and {} outputs, function '{}' has {} and {}", def.inputs.size(),
                                         def.outputs.size(), function.name, body.inputs.size(), body.outputs.size()),
                broken);
  if (!def.graphs.empty())
    throw Error(def.place(), fmt::format("hands a graph to function '{}', which Hone does not read", function.name),
                "inline the functions first: onnx.inliner.inline_local_functions(model)");
  CallContext call{function.opsets, &function, function.defaults};
  for (auto& [name, value] : def.attributes) call.attributes[name] = value;
  std::vector<Value*> given = arguments(def);
  ValuesByName values;
  for (size_t i = 0; i < body.inputs.size(); ++i)
    values[body.inputs[i].name] = i < given.size() ? given[i] : nullptr;
  GraphBuilder builder(context_, call, graph_, std::move(values), prefix_ + def.name + "/");
  builder.add_nodes(body, "function '" + function.name + "'");
  std::vector<Value*> outputs;
  for (size_t i = 0; i < def.outputs.size(); ++i)
    outputs.push_back(def.outputs[i].empty() ? nullptr : builder.output(body.outputs[i].name));
  name_outputs(def, outputs);
}

namespace {

/// Makes the model's own graph.
class ModelBuilder {
 public:
  explicit ModelBuilder(const ModelDef& model) : context_{model}, model_(model) {}

  Graph build() {
    check_opset();
    check_calls();
    check_ops();
    check_outputs();
    Graph graph;
    graph.name = model_.graph.name.empty() ? "main" : model_.graph.name;
    graph.metadata = model_.metadata;
    CallContext call{model_.opsets};
    GraphBuilder builder(context_, call, graph, inputs(graph));
    builder.add_nodes(model_.graph, model_.place);
    // The types that the file declares for outputs are not used: a Graph has those that its shape rules give.
    for (const ValueDef& output : model_.graph.outputs) graph.add_output(output.name, builder.output(output.name));
    return graph;
  }

 private:
  void check_opset() const {
    auto it = model_.opsets.find("");
    const auto& nodes = model_.graph.nodes;
    bool uses_onnx = std::any_of(nodes.begin(), nodes.end(),
                                 [&](auto& node) { return node.domain.empty() && !model_.function_of(node); });
    if (it == model_.opsets.end() && !uses_onnx) return;
    if (it == model_.opsets.end())
      throw Error(model_.place, "does not say which opset it uses",
                  "the file is broken or of before 2018; export it again");
    check_opset(model_.place, it->second);
    for (auto& [key, function] : model_.functions)
      if (auto own = function.opsets.find(""); own != function.opsets.end())
        check_opset(fmt::format("{}: function '{}'", model_.place, function.name), own->second);
  }

  static void check_opset(const std::string& place, int64_t opset) {
    if (opset < oldest_opset)
      throw Error(place, fmt::format("uses opset {}, expected {} to {}", opset, oldest_opset, newest_opset),
                  "export it with a newer opset, or use onnx.version_converter.convert_version(model, 13)");
    if (opset > newest_opset)
      warn(fmt::format("{}: uses opset {}; Hone knows opsets up to {} and reads it as one of those", place, opset,
                       newest_opset));
  }

  void check_calls() const {
    if (model_.functions.empty()) return;
    std::map<const FunctionDef*, size_t> sizes;
    std::vector<const FunctionDef*> calls;
    if (count_nodes(model_.graph, sizes, calls) > most_nodes)
      throw Error(model_.place, fmt::format("has more than {} nodes with its functions in place", most_nodes),
                  "simplify the model");
  }

  /// Nodes with functions in place of their calls, most_nodes + 1 when there are more. `calls` are those around.
  size_t count_nodes(const GraphDef& graph, std::map<const FunctionDef*, size_t>& sizes,
                     std::vector<const FunctionDef*>& calls) const {
    size_t count = 0;
    for (const NodeDef& node : graph.nodes) {
      size_t own = 1;
      if (const FunctionDef* function = model_.function_of(node)) {
        if (std::find(calls.begin(), calls.end(), function) != calls.end())
          throw Error(node.place(), fmt::format("is a call of function '{}' inside that function", function->name),
                      "functions of ONNX cannot call themselves; export the model again");
        if (calls.size() >= most_calls)
          throw Error(node.place(), fmt::format("calls functions more than {} deep", most_calls), "simplify the model");
        auto known = sizes.find(function);
        if (known == sizes.end()) {
          calls.push_back(function);
          known = sizes.emplace(function, count_nodes(function->body, sizes, calls)).first;
          calls.pop_back();
        }
        own = known->second;
      }
      for (auto& [name, body] : node.graphs) own += count_nodes(*body, sizes, calls);
      count = std::min(count + own, most_nodes + 1);
    }
    return count;
  }

  /// Calls visit(node, opsets) for every node, those in graphs and in functions that are called included.
  template <class F>
  void for_each_node(const GraphDef& graph, const std::map<std::string, int64_t>& opsets,
                     std::set<const FunctionDef*>& seen, F& visit) const {
    for (const NodeDef& node : graph.nodes) {
      if (const FunctionDef* function = model_.function_of(node)) {
        if (seen.insert(function).second) for_each_node(function->body, function->opsets, seen, visit);
        continue;
      }
      visit(node, opsets);
      for (auto& [name, body] : node.graphs) for_each_node(*body, opsets, seen, visit);
    }
  }

  /// Names the first op that Hone does not have, and all others with it.
  void check_ops() const {
    const NodeDef* first = nullptr;
    int64_t version = 0;
    std::map<std::string, int> missing;
    auto visit = [&](const NodeDef& node, const std::map<std::string, int64_t>& opsets) {
      int64_t opset = std::min(onnx_opset(model_, opsets), newest_opset);
      if ((node.domain.empty() && node.op == "Constant") || is_flex_attention(node)) return;
      if (make_op(node.domain, normalized_op(node.domain, node.op, opset))) return;
      auto it = opsets.find(node.domain);
      if (!first) first = &node, version = it == opsets.end() ? 0 : it->second;
      ++missing[(node.domain.empty() ? "" : node.domain + ".") + node.op];
    };
    std::set<const FunctionDef*> seen;
    for_each_node(model_.graph, model_.opsets, seen, visit);
    if (!first) return;
    std::string all, near;
    for (auto& [op, count] : missing) all += fmt::format("{}{} ({})", all.empty() ? "" : ", ", op, count);
    std::string listed = missing.size() > 1 ? "; ops that are missing in all: " + all : "";
    for (const std::string& name : similar_ops(first->op)) near += (near.empty() ? "did you mean " : " or ") + name;
    if (!near.empty()) near += "? Otherwise ";
    throw Error("node '" + first->name + "'",
                fmt::format("op '{}' (domain {}, opset {}) is not one that Hone has{}", first->op,
                            first->domain.empty() ? "ai.onnx" : first->domain, version, listed),
                near + "simplify the model (onnx-simplifier), export it without this op, or ask for the op");
  }

  void check_outputs() const {
    std::unordered_set<std::string> names;
    for (const ValueDef& output : model_.graph.outputs)
      if (!names.insert(output.name).second) throw Error("output '" + output.name + "'", "is listed twice", broken);
    if (names.empty()) throw Error(model_.place, "has no outputs", broken);
  }

  ValuesByName inputs(Graph& graph) const {
    std::unordered_set<std::string> constants;
    ValuesByName values;
    for (const ConstantDef& constant : model_.graph.initializers) constants.insert(constant.name);
    for (const ValueDef& input : model_.graph.inputs) {
      if (constants.count(input.name)) continue;  // IR 3 lists initializers among the inputs
      if (input.type.dtype == DType::undefined)
        throw Error("input '" + input.name + "'", "has no element type", "the file is broken; export the model again");
      Shape shape = input.type.shape;
      for (Dim& dim : shape.dims)
        if (dim == Dim(0)) dim = Dim();  // some exporters write 0 for "any", and a size of 0 fits "any" as well
      values[input.name] = graph.add_input(input.name, input.type.dtype, shape);
    }
    return values;
  }

  ModelContext context_;
  const ModelDef& model_;
};

}  // namespace

Graph build_graph(const ModelDef& model) { return ModelBuilder(model).build(); }

}  // namespace hone::onnx
