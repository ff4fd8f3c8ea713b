#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "graph/ops/shape/constant.hpp"
#include "import/onnx/model.hpp"
#include "import/onnx/normalize.hpp"

namespace hone::onnx {

namespace {

std::string domain_name(const std::string& domain) { return domain.empty() ? "ai.onnx" : domain; }

bool is_control_flow(const NodeDef& node) {
  return node.domain.empty() && (node.op == "If" || node.op == "Loop" || node.op == "Scan");
}

class GraphBuilder {
 public:
  explicit GraphBuilder(const ModelDef& model)
      : model_(model), opset_(find_opset()), normalizer_(graph_, std::min(opset_, newest_opset)) {}

  Graph build() {
    check_ops();
    graph_.name = model_.name.empty() ? "main" : model_.name;
    graph_.metadata = model_.metadata;
    std::vector<size_t> order = computation_order(model_);
    for (const NodeDef& node : model_.nodes)
      for (const std::string& input : node.inputs) used_.insert(input);
    for (const ValueDef& output : model_.outputs) used_.insert(output.name);
    add_sources();
    for (size_t index : order) add_node(model_.nodes[index]);
    // The types that the file declares for outputs are not used: a Graph has those that its shape rules give.
    for (const ValueDef& output : model_.outputs) graph_.add_output(output.name, values_.at(output.name));
    return std::move(graph_);
  }

 private:
  int64_t find_opset() const {
    auto it = model_.opsets.find("");
    bool uses_onnx =
        std::any_of(model_.nodes.begin(), model_.nodes.end(), [](auto& node) { return node.domain.empty(); });
    if (it == model_.opsets.end() && !uses_onnx) return graph_opset;
    const std::string& place = model_.place;
    if (it == model_.opsets.end())
      throw Error(place, "does not say which opset it uses", "the file is broken or of before 2018; export it again");
    if (it->second < oldest_opset)
      throw Error(place, fmt::format("uses opset {}, expected {} to {}", it->second, oldest_opset, newest_opset),
                  "export it with a newer opset, or use onnx.version_converter.convert_version(model, 13)");
    if (it->second > newest_opset)
      warn(fmt::format("{}: uses opset {}; Hone knows opsets up to {} and reads it as one of those", place, it->second,
                       newest_opset));
    return it->second;
  }

  bool known(const NodeDef& node) const {
    return (node.domain.empty() && node.op == "Constant") ||
           make_op(node.domain, normalized_op(node.domain, node.op, normalizer_.opset)) != nullptr;
  }

  /// Names the first op that Hone does not have, and all others with it.
  void check_ops() const {
    const NodeDef* first = nullptr;
    std::map<std::string, int> missing;
    for (const NodeDef& node : model_.nodes) {
      if (known(node) && !node.has_subgraph) continue;
      if (!first) first = &node;
      ++missing[(node.domain.empty() ? "" : node.domain + ".") + node.op];
    }
    if (!first) return;
    std::string all;
    for (auto& [op, count] : missing) all += fmt::format("{}{} ({})", all.empty() ? "" : ", ", op, count);
    std::string listed = missing.size() > 1 ? "; ops that are missing in all: " + all : "";
    if (first->has_subgraph || is_control_flow(*first))
      throw Error(
          "node '" + first->name + "'",
          fmt::format("{} holds a subgraph; control flow (If, Loop, Scan) is not supported yet{}", first->op, listed),
          "export the model with fixed input sizes, or let onnx-simplifier remove the branches");
    std::string near;
    for (const std::string& name : similar_ops(first->op)) near += (near.empty() ? "did you mean " : " or ") + name;
    if (!near.empty()) near += "? Otherwise ";
    throw Error("node '" + first->name + "'",
                fmt::format("op '{}' (domain {}, opset {}) is not one that Hone has{}", first->op,
                            domain_name(first->domain), opset_of(first->domain), listed),
                near + "simplify the model (onnx-simplifier), export it without this op, or ask for the op");
  }

  int64_t opset_of(const std::string& domain) const {
    auto it = model_.opsets.find(domain);
    return it == model_.opsets.end() ? 0 : it->second;
  }

  void add_sources() {
    std::unordered_set<std::string> constants;
    for (const ConstantDef& constant : model_.initializers) constants.insert(constant.name);
    for (const ValueDef& input : model_.inputs) {
      if (constants.count(input.name)) continue;  // IR 3 lists initializers among the inputs
      if (input.type.dtype == DType::undefined)
        throw Error("input '" + input.name + "'", "has no element type", "the file is broken; export the model again");
      values_[input.name] = graph_.add_input(input.name, input.type.dtype, input.type.shape);
    }
    for (const ConstantDef& constant : model_.initializers)
      values_[constant.name] = graph_.add_constant(constant.name, constant.tensor);
  }

  DraftNode draft(const NodeDef& def) const {
    DraftNode node{def.name, def.op, def.domain, {}, def.outputs, def.attributes};
    for (const std::string& input : def.inputs) node.inputs.push_back(input.empty() ? nullptr : values_.at(input));
    return node;
  }

  void add_node(const NodeDef& def) {
    DraftNode node = draft(def);
    if (def.domain.empty() && def.op == "Constant") return add_constant(def);
    trim_outputs(node);
    normalize(node, normalizer_);
    auto op = make_op(node.domain, node.op);
    set_op_attributes(*op, node, def);
    Node* made = graph_.add(std::move(op), node.inputs, node.name, static_cast<int>(node.outputs.size()));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      graph_.rename(made->output(i), node.outputs[i]);
      values_[node.outputs[i]] = made->output(i);
    }
  }

  /// Trailing outputs that nobody reads go: masks of dropout, indices of pools, statistics of batch norm.
  void trim_outputs(DraftNode& node) const {
    OpSpec spec = make_op(node.domain, normalized_op(node.domain, node.op, normalizer_.opset))->spec();
    auto least = static_cast<size_t>(std::max(spec.max_outputs < 0 ? INT_MAX : spec.min_outputs, 0));
    while (node.outputs.size() > least && !(used_.count(node.outputs.back()) && !node.outputs.back().empty()))
      node.outputs.pop_back();
  }

  void set_op_attributes(Op& op, const DraftNode& node, const NodeDef& def) {
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
      if (warned_.insert(node.op + "." + name).second)
        warn(fmt::format("{}: attribute '{}' is not one that {} has; it is ignored", node.place(), name, node.op));
  }

  void add_constant(const NodeDef& def) {
    if (def.outputs.size() != 1 || def.outputs[0].empty()) throw Error(def.place(), "expected one output");
    ops::Constant op;
    try {
      set_attributes(op, def.attributes);
    } catch (const Error& error) {
      throw Error(def.place(), error.problem(), error.remedy());
    }
    values_[def.outputs[0]] = graph_.add_constant(def.outputs[0], constant_tensor(op, def));
  }

  static Tensor constant_tensor(const ops::Constant& op, const NodeDef& def) {
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

  template <class T>
  static Tensor list_tensor(const std::vector<T>& values) {
    return Tensor::of<T>({static_cast<int64_t>(values.size())}, values);
  }

  const ModelDef& model_;
  const int64_t opset_;
  Graph graph_;
  Normalizer normalizer_;
  std::unordered_map<std::string, Value*> values_;  ///< by the name in the file
  std::unordered_set<std::string> used_;
  std::set<std::string> warned_;
};

}  // namespace

Graph build_graph(const ModelDef& model) { return GraphBuilder(model).build(); }

}  // namespace hone::onnx
