#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/ops/control/scan.hpp"
#include "import/onnx/graph_builder.hpp"

// If, Loop and Scan: their graphs become closed ones (see graph/ops/control/control.hpp).
namespace hone::onnx {

namespace {

const char* const broken = "the file is broken; export the model again";

/// The same rank with open sizes.
Shape open_shape(const Shape& shape) {
  return shape.ranked ? Shape(std::vector<Dim>(shape.dims.size())) : Shape();
}

std::vector<std::string> body_names(const std::string& op) {
  if (op == "If") return {"then_branch", "else_branch"};
  return {"body"};
}

const GraphDef& body_of(const NodeDef& def, const std::string& attribute) {
  auto it = def.graphs.find(attribute);
  if (it == def.graphs.end())
    throw Error(def.place(), fmt::format("has no graph '{}'", attribute), broken);
  return *it->second;
}

Type without_axis(const NodeDef& def, Type type, int64_t axis) {
  if (!type.shape.ranked) return type;
  int64_t rank = type.shape.rank();
  if (axis < -rank || axis >= rank)
    throw Error(def.place(), fmt::format("goes along axis {} of an input {}", axis, to_string(type)), broken);
  type.shape.dims.erase(type.shape.dims.begin() + (axis < 0 ? axis + rank : axis));
  return type;
}

int64_t integer_attribute(const NodeDef& def, const char* name) {
  auto it = def.attributes.find(name);
  const int64_t* value = it == def.attributes.end() ? nullptr : std::get_if<int64_t>(&it->second);
  if (!value) throw Error(def.place(), fmt::format("has no integer attribute '{}'", name), broken);
  return *value;
}

std::vector<int64_t> list_attribute(const NodeDef& def, const char* name) {
  auto it = def.attributes.find(name);
  const auto* value = it == def.attributes.end() ? nullptr : std::get_if<std::vector<int64_t>>(&it->second);
  return value ? *value : std::vector<int64_t>();
}

/// The value where constants and known sizes tell it already; looks at no more than `budget` nodes.
std::optional<Tensor> known_value(const Value* value, int& budget) {
  if (value->is_constant()) return value->constant();
  const Node* node = value->producer();
  if (!node || node->has(Trait::random) || ops::control_op(*node) || --budget < 0) return std::nullopt;
  const auto& sizes = value->dims_value;
  if (sizes && value->dtype() == DType::i64 && value->shape().is_static() &&
      std::all_of(sizes->begin(), sizes->end(), [](const Dim& dim) { return dim.known(); })) {
    std::vector<int64_t> numbers;
    for (const Dim& dim : *sizes) numbers.push_back(dim.value);
    Dims dims = value->shape().concrete();
    if (element_count(dims) == static_cast<int64_t>(numbers.size())) return Tensor::of<int64_t>(dims, numbers);
  }
  std::vector<Tensor> held;
  for (const Value* input : node->inputs()) {
    std::optional<Tensor> known = input ? known_value(input, budget) : Tensor();
    if (!known || known->size() > 1024) return std::nullopt;
    held.push_back(*known);
  }
  std::vector<const Tensor*> arguments;
  for (const Tensor& tensor : held) arguments.push_back(tensor.defined() ? &tensor : nullptr);
  try {
    return evaluate_node(*node, arguments)[static_cast<size_t>(value->output_index())];
  } catch (const Error&) {
    return std::nullopt;  // running the model says what is wrong
  }
}

}  // namespace

bool is_control_flow(const NodeDef& node) {
  return node.domain.empty() && (node.op == "If" || node.op == "Loop" || node.op == "Scan");
}

/// What the node's graphs use of this one, in order of first use. Constants are not among them: graphs get copies,
/// which share the memory.
std::vector<Value*> GraphBuilder::captured_values(const NodeDef& def) const {
  std::vector<Value*> captures;
  for (auto& [attribute, body] : def.graphs)
    for (const std::string& name : body->captured) {
      Value* value = values_.at(name);
      if (value && !value->is_constant() && std::find(captures.begin(), captures.end(), value) == captures.end())
        captures.push_back(value);
    }
  return captures;
}

std::shared_ptr<Graph> GraphBuilder::make_body(const NodeDef& def, const std::string& attribute,
                                               const std::vector<Type>& own, const std::vector<Value*>& captures) {
  const GraphDef& source = body_of(def, attribute);
  std::string place = fmt::format("graph '{}' of {}", attribute, def.place());
  if (source.inputs.size() != own.size())
    throw Error(place, fmt::format("has {} inputs, expected {}", source.inputs.size(), own.size()), broken);
  auto graph = std::make_shared<Graph>();
  graph->name = source.name.empty() ? attribute : source.name;
  ValuesByName values;
  for (size_t i = 0; i < own.size(); ++i)
    values[source.inputs[i].name] = graph->add_input(source.inputs[i].name, own[i].dtype, own[i].shape);
  std::unordered_map<const Value*, Value*> inner{{nullptr, nullptr}};
  for (const Value* capture : captures) {
    Value* input = graph->add_input(capture->name, capture->dtype(), capture->shape());
    input->dims_value = capture->dims_value;
    inner[capture] = input;
  }
  for (const std::string& name : source.captured) {
    const Value* value = values_.at(name);
    if (!inner.count(value)) inner[value] = graph->add_constant(value->name, value->constant());
    values[name] = inner[value];
  }
  GraphBuilder builder(context_, call_, *graph, std::move(values));
  try {
    builder.add_nodes(source, place);
  } catch (const Error& error) {
    throw Error(error.place() + " in " + def.place(), error.problem(), error.remedy());
  }
  std::unordered_set<std::string> names;
  for (const ValueDef& output : source.outputs) {
    std::string name = output.name;
    for (int serial = 1; !names.insert(name).second; ++serial) name = fmt::format("{}_{}", output.name, serial);
    graph->add_output(name, builder.output(output.name));
  }
  return graph;
}

/// Types of the inputs of a body, captures left out. States may change their sizes from run to run: of those only the
/// rank counts, and what the file says of it goes before what the first one is.
std::vector<Type> GraphBuilder::body_types(const NodeDef& def, const GraphDef& body,
                                           const std::vector<Value*>& own) const {
  std::vector<Type> types;
  auto declared = [&](size_t i) { return i < body.inputs.size() ? body.inputs[i].type : Type(); };
  auto state = [&](const Value* value, size_t i) {
    if (!value) throw Error(def.place(), fmt::format("state {} is missing", i), broken);
    Shape shape = declared(types.size()).shape.ranked ? declared(types.size()).shape : value->shape();
    return Type{value->dtype(), open_shape(shape)};
  };
  if (def.op == "If") return types;
  if (def.op == "Loop") {
    types.push_back({DType::i64, declared(0).shape.ranked ? declared(0).shape : Shape(std::vector<Dim>{})});
    types.push_back({DType::boolean, declared(1).shape.ranked ? declared(1).shape : Shape(std::vector<Dim>{})});
    for (size_t i = 2; i < own.size(); ++i) types.push_back(state(own[i], i - 2));
    return types;
  }
  int64_t slices = integer_attribute(def, "num_scan_inputs");
  if (slices < 1 || static_cast<uint64_t>(slices) > own.size())
    throw Error(def.place(), fmt::format("has {} inputs, of which it scans {}", own.size(), slices), broken);
  size_t states = own.size() - static_cast<size_t>(slices);
  std::vector<int64_t> axes = list_attribute(def, "scan_input_axes");
  for (size_t i = 0; i < own.size(); ++i) {
    if (!own[i]) throw Error(def.place(), fmt::format("input {} is missing", i), broken);
    if (i < states)
      types.push_back(state(own[i], i));
    else
      types.push_back(without_axis(def, own[i]->type, i - states < axes.size() ? axes[i - states] : 0));
  }
  return types;
}

void GraphBuilder::add_control_node(const NodeDef& def, std::unique_ptr<ops::ControlOp> op, std::vector<Value*> own,
                                    const std::vector<Value*>& captures, size_t outputs) {
  if (def.outputs.size() > outputs)
    throw Error(def.place(), fmt::format("has {} outputs, its graph gives {}", def.outputs.size(), outputs), broken);
  own.insert(own.end(), captures.begin(), captures.end());
  Node* made = graph_.add(std::move(op), std::move(own), prefix_ + def.name, static_cast<int>(outputs));
  name_outputs(def, made->outputs());
}

/// An If that always goes one way becomes that branch: the other one may not even fit the sizes of the model.
bool GraphBuilder::add_known_branch(const NodeDef& def, const Value* condition) {
  int budget = 64;
  std::optional<Tensor> known = known_value(condition, budget);
  if (!known || known->dtype() != DType::boolean || known->size() != 1) return false;
  const GraphDef& branch = body_of(def, known->data<bool>()[0] ? "then_branch" : "else_branch");
  if (!branch.inputs.empty() || def.outputs.size() > branch.outputs.size())
    throw Error(def.place(), "does not have the inputs and outputs of its graphs", broken);
  ValuesByName values;
  for (const std::string& name : branch.captured) values[name] = values_.at(name);
  GraphBuilder builder(context_, call_, graph_, std::move(values), prefix_ + def.name + "/");
  builder.add_nodes(branch, "branch of " + def.place());
  std::vector<Value*> outputs;
  for (size_t i = 0; i < def.outputs.size(); ++i) outputs.push_back(builder.output(branch.outputs[i].name));
  name_outputs(def, outputs);
  return true;
}

void GraphBuilder::add_control(const NodeDef& def) {
  std::vector<Value*> own = arguments(def);
  if (def.op == "If" && (own.size() != 1 || !own[0]))
    throw Error(def.place(), fmt::format("has {} inputs, expected the condition", own.size()), broken);
  if (def.op == "If" && add_known_branch(def, own[0])) return;
  if (def.op == "Loop") own.resize(std::max<size_t>(own.size(), 2), nullptr);
  if (def.op == "Scan" && normalizer_.opset < 9) return add_batched_scan(def, std::move(own));
  std::vector<std::string> names = body_names(def.op);
  std::vector<Value*> captures = captured_values(def);
  auto made = make_op(def.domain, def.op);
  std::unique_ptr<ops::ControlOp> op(dynamic_cast<ops::ControlOp*>(made.release()));
  DraftNode node = draft(def);
  node.attributes.erase("captures");  // ours, not one of the file
  set_op_attributes(*op, node, def);
  for (size_t i = 0; i < names.size(); ++i)
    op->set_body(i, make_body(def, names[i], body_types(def, body_of(def, names[i]), own), captures));
  op->captures = static_cast<int64_t>(captures.size());
  size_t outputs = op->bodies()[0]->outputs().size();
  if (def.op == "Loop" && outputs-- == 0) throw Error(def.place(), "its body has no outputs", broken);
  add_control_node(def, std::move(op), std::move(own), captures, outputs);
}

/// Scan of opset 8 does the whole for each element of a batch: a scan over the batch whose body is the scan over the
/// sequence. It begins with an optional input, the lengths of the sequences.
void GraphBuilder::add_batched_scan(const NodeDef& def, std::vector<Value*> own) {
  if (own.empty()) throw Error(def.place(), "has no inputs", broken);
  if (own[0])
    throw Error(def.place(), "has sequences of different lengths (Scan of opset 8)",
                "export the model with opset 9 or newer");
  own.erase(own.begin());
  std::vector<Value*> captures = captured_values(def);
  auto inner = std::make_unique<ops::Scan>(), outer = std::make_unique<ops::Scan>();
  inner->num_scan_inputs = integer_attribute(def, "num_scan_inputs");
  inner->scan_input_directions = list_attribute(def, "directions");
  outer->num_scan_inputs = static_cast<int64_t>(own.size());
  outer->captures = inner->captures = static_cast<int64_t>(captures.size());
  if (inner->num_scan_inputs < 1 || static_cast<uint64_t>(inner->num_scan_inputs) > own.size())
    throw Error(def.place(), fmt::format("has {} inputs, of which it scans {}", own.size(), inner->num_scan_inputs),
                broken);
  auto batch = std::make_shared<Graph>();
  batch->name = "batch";
  std::vector<Value*> values;
  std::vector<Type> types;
  for (size_t i = 0; i < own.size(); ++i) {
    if (!own[i]) throw Error(def.place(), fmt::format("input {} is missing", i + 1), broken);
    Type one = without_axis(def, own[i]->type, 0);
    values.push_back(batch->add_input(own[i]->name, one.dtype, one.shape));
    bool scanned = i >= own.size() - static_cast<size_t>(inner->num_scan_inputs);
    types.push_back(scanned ? without_axis(def, one, 0) : Type{one.dtype, open_shape(one.shape)});
  }
  for (const Value* capture : captures) {
    values.push_back(batch->add_input(capture->name, capture->dtype(), capture->shape()));
    values.back()->dims_value = capture->dims_value;
  }
  inner->body = make_body(def, "body", types, captures);
  size_t outputs = inner->body->outputs().size();
  Node* scan = batch->add(std::move(inner), std::move(values), def.name, static_cast<int>(outputs));
  for (Value* output : scan->outputs()) batch->add_output(output->name, output);
  outer->body = std::move(batch);
  add_control_node(def, std::move(outer), std::move(own), captures, outputs);
}

}  // namespace hone::onnx
