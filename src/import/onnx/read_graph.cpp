#include "import/onnx/read_graph.hpp"

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/ops/control/control.hpp"
#include "import/onnx/normalize.hpp"

namespace hone::onnx {

namespace {

std::string kind_name(AttributeType kind) {
  switch (kind) {
    case AttributeType::tensors:
      return "a list of tensors";
    case AttributeType::graphs:
      return "a list of graphs";
    case AttributeType::sparse_tensor:
    case AttributeType::sparse_tensors:
      return "a sparse tensor";
    case AttributeType::type_proto:
    case AttributeType::type_protos:
      return "a type";
    default:
      return fmt::format("of the unknown kind {}", static_cast<int>(kind));
  }
}

/// The names that the graph uses but does not define, each once.
std::vector<std::string> captured_names(const GraphDef& graph) {
  std::unordered_set<std::string> known{""};
  for (const ValueDef& input : graph.inputs) known.insert(input.name);
  for (const ConstantDef& constant : graph.initializers) known.insert(constant.name);
  for (const NodeDef& node : graph.nodes) known.insert(node.outputs.begin(), node.outputs.end());
  std::vector<std::string> captured;
  auto use = [&](const std::string& name) {
    if (known.insert(name).second) captured.push_back(name);
  };
  for (const NodeDef& node : graph.nodes) {
    for (const std::string& input : node.inputs) use(input);
    for (auto& [attribute, inner] : node.graphs)
      for (const std::string& name : inner->captured) use(name);
  }
  for (const ValueDef& output : graph.outputs) use(output.name);
  return captured;
}

bool is_number(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

/// After its first output where that says something; exporters that number their values get "Conv_12".
std::string made_up_name(const NodeDef& node) {
  std::string output = node.outputs.empty() ? "" : node.outputs[0];
  if (output.empty()) return node.op;
  return is_number(output) ? node.op + "_" + output : output;
}

void saw(AttributeDef& def, AttributeType kind) { def.seen = kind; }

}  // namespace

GraphDef GraphReader::read_graph(WireReader message) {
  if (depth_ >= ops::max_graph_depth)
    throw Error(place_, fmt::format("nests graphs more than {} deep", ops::max_graph_depth), "simplify the model");
  ++depth_;
  GraphDef graph;
  while (message.next()) {
    switch (message.field()) {
      case graph::node:
        graph.nodes.push_back(read_node(message.message()));
        break;
      case graph::name:
        graph.name = message.text();
        break;
      case graph::initializer:
        graph.initializers.push_back(read_initializer(message.message()));
        break;
      case graph::input:
        graph.inputs.push_back(read_value(message.message(), "input"));
        break;
      case graph::output:
        graph.outputs.push_back(read_value(message.message(), "output"));
        break;
      case graph::sparse_initializer:
        throw Error(place_, "has sparse initializers, which Hone does not read",
                    "export the model with dense weights");
      default:
        message.skip();
    }
  }
  --depth_;
  graph.captured = captured_names(graph);
  return graph;
}

ConstantDef GraphReader::read_initializer(WireReader message) {
  NamedTensor named = read_tensor(message, external_, "initializer");
  if (named.name.empty())
    throw Error(place_, "has an initializer without a name", "the file is broken; export it again");
  return {std::move(named.name), std::move(named.tensor)};
}

ValueDef GraphReader::read_value(WireReader message, const std::string& what) {
  ValueDef value;
  std::optional<WireReader> type;
  while (message.next()) {
    if (message.field() == value_info::name)
      value.name = message.text();
    else if (message.field() == value_info::type)
      type = message.message();
    else
      message.skip();
  }
  if (value.name.empty())
    throw Error(place_, "has an " + what + " without a name", "the file is broken; export it again");
  if (type) value.type = read_type(*type, what + " '" + value.name + "'");
  return value;
}

Type GraphReader::read_type(WireReader message, const std::string& value) {
  Type result;
  while (message.next()) {
    switch (message.field()) {
      case type::tensor:
        result = read_tensor_type(message.message(), value);
        break;
      case type::sequence:
      case type::map:
      case type::sparse_tensor:
      case type::optional:
        throw Error(value, "is a sequence, map, sparse or optional value, expected a tensor",
                    "export the part of the model that works on tensors");
      default:
        message.skip();
    }
  }
  return result;
}

Type GraphReader::read_tensor_type(WireReader message, const std::string& value) {
  Type result;
  while (message.next()) {
    if (message.field() == tensor_type::element) {
      int64_t number = message.integer();
      result.dtype = static_cast<DType>(number >= 0 && number < 256 ? number : 0);
      if (number != 0 && result.dtype != DType::string && size_of(result.dtype) == 0)
        throw Error(value, fmt::format("has the element type number {}, which Hone does not have", number),
                    "convert the model to float32, float16 or int8");
    } else if (message.field() == tensor_type::shape) {
      result.shape = read_shape(message.message());
    } else {
      message.skip();
    }
  }
  return result;
}

Shape GraphReader::read_shape(WireReader message) {
  Shape shape{std::vector<Dim>{}};
  while (message.next()) {
    if (message.field() == shape::dim)
      shape.dims.push_back(read_dim(message.message()));
    else
      message.skip();
  }
  return shape;
}

Dim GraphReader::read_dim(WireReader message) {
  Dim result;
  while (message.next()) {
    if (message.field() == dim::value) {
      int64_t value = message.integer();
      result = value >= 0 ? Dim(value) : Dim();  // exporters write -1 for "any"
    } else if (message.field() == dim::param) {
      std::string symbol = message.text();
      result = symbol.empty() ? Dim() : Dim::named(symbol);
    } else {
      message.skip();
    }
  }
  return result;
}

NodeDef GraphReader::read_node(WireReader message) {
  NodeDef node;
  std::vector<WireReader> attributes;  // read last, when the node has its name for errors
  while (message.next()) {
    switch (message.field()) {
      case node::input:
        node.inputs.push_back(message.text());
        break;
      case node::output:
        node.outputs.push_back(message.text());
        break;
      case node::name:
        node.name = message.text();
        break;
      case node::op_type:
        node.op = message.text();
        break;
      case node::domain:
        node.domain = message.text();
        break;
      case node::overload:
        node.overload = message.text();
        break;
      case node::attribute:
        attributes.push_back(message.message());
        break;
      default:
        message.skip();
    }
  }
  if (node.domain == "ai.onnx") node.domain.clear();
  if (node.domain == "com.microsoft") {  // those that normalize.cpp knows
    std::string contributed = node.domain + "." + node.op;
    if (normalized_op("", contributed, 0) != contributed) node.op = contributed, node.domain.clear();
  }
  if (node.name.empty()) node.name = made_up_name(node);
  if (node.op.empty())
    throw Error(place_, "node '" + node.name + "' names no op", "the file is broken; export it again");
  for (const WireReader& attribute : attributes) read_attribute(attribute, node);
  return node;
}

AttributeDef GraphReader::read_attribute_fields(WireReader message, const NodeDef& node) {
  AttributeDef def;
  while (message.next()) {
    switch (message.field()) {
      case attribute::name:
        def.name = message.text();
        break;
      case attribute::ref_name:
        def.ref_name = message.text();
        break;
      case attribute::type:
        def.type = static_cast<AttributeType>(message.integer());
        break;
      case attribute::f:
        def.f = message.float32(), saw(def, AttributeType::f);
        break;
      case attribute::i:
        def.i = message.integer(), saw(def, AttributeType::i);
        break;
      case attribute::s:
        def.s = std::string(message.bytes()), saw(def, AttributeType::s);
        break;
      case attribute::t:
        def.t = read_tensor(message.message(), external_, "tensor attribute of " + node.place()).tensor;
        saw(def, AttributeType::tensor);
        break;
      case attribute::floats:
        message.floats(def.floats), saw(def, AttributeType::floats);
        break;
      case attribute::ints:
        message.integers(def.ints), saw(def, AttributeType::ints);
        break;
      case attribute::strings:
        def.strings.emplace_back(message.bytes()), saw(def, AttributeType::strings);
        break;
      case attribute::g:
        def.g = std::make_shared<GraphDef>(read_graph(message.message())), saw(def, AttributeType::graph);
        break;
      case attribute::graphs:
        message.skip(), saw(def, AttributeType::graphs);
        break;
      default:
        message.skip();
    }
  }
  if (def.type == AttributeType::undefined) def.type = def.seen;
  return def;
}

void GraphReader::read_attribute(WireReader message, NodeDef& node) {
  AttributeDef def = read_attribute_fields(message, node);
  if (def.name.empty())
    throw Error(node.place(), "has an attribute without a name", "the file is broken; export it again");
  if (node.attributes.count(def.name) || node.graphs.count(def.name) || node.references.count(def.name))
    throw Error(node.place(), fmt::format("has two attributes '{}'", def.name));
  if (!def.ref_name.empty()) {
    node.references[def.name] = def.ref_name;
    return;
  }
  Attribute value;
  switch (def.type) {
    case AttributeType::f:
      value = def.f;
      break;
    case AttributeType::i:
      value = def.i;
      break;
    case AttributeType::s:
      value = std::move(def.s);
      break;
    case AttributeType::ints:
      value = std::move(def.ints);
      break;
    case AttributeType::floats:
      value = std::move(def.floats);
      break;
    case AttributeType::strings:
      value = std::move(def.strings);
      break;
    case AttributeType::tensor:
      if (!def.t.defined())
        throw Error(node.place(), fmt::format("attribute '{}' is a tensor without content", def.name));
      value = std::move(def.t);
      break;
    case AttributeType::undefined:
      throw Error(node.place(), fmt::format("attribute '{}' has no value", def.name),
                  "the file is broken; export it again");
    case AttributeType::graph:
      if (!def.g) throw Error(node.place(), fmt::format("attribute '{}' is a graph without content", def.name));
      node.graphs[def.name] = std::move(def.g);
      return;
    default:
      node.unreadable[def.name] = kind_name(def.type);
      return;
  }
  node.attributes.emplace(def.name, std::move(value));
}

std::string NodeDef::place() const {
  std::string type = op;
  if (!type.empty()) type[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(type[0])));
  return type + " '" + name + "'";
}

}  // namespace hone::onnx
