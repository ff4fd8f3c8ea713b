#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/model.hpp"

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

/// Everything an AttributeProto may hold; `seen` tells files that leave the type out what was there.
struct AttributeDef {
  std::string name, ref_name;
  AttributeType type = AttributeType::undefined, seen = AttributeType::undefined;
  int64_t i = 0;
  float f = 0;
  std::string s;
  Tensor t;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
};

class ModelReader {
 public:
  explicit ModelReader(const std::shared_ptr<const MappedFile>& file) : file_(file), external_(file->path()) {}

  ModelDef read() {
    model_.place = place();
    WireReader message(file_);
    bool has_graph = false;
    while (message.next()) {
      switch (message.field()) {
        case model::ir_version:
          model_.ir_version = message.integer();
          break;
        case model::graph:
          has_graph = true;
          read_graph(message.message());
          break;
        case model::opset_import:
          read_opset(message.message());
          break;
        case model::metadata:
          read_metadata(message.message());
          break;
        case model::functions:
          throw Error(place(), "defines functions of its own, which Hone does not read yet",
                      "inline them first: onnx.inliner.inline_local_functions(model)");
        default:
          message.skip();
      }
    }
    if (!has_graph) throw Error(place(), "is not an ONNX file: it holds no graph", "check that this is the right file");
    return std::move(model_);
  }

 private:
  std::string place() const { return fmt::format("'{}'", file_->path().string()); }

  void read_opset(WireReader message) {
    std::string domain;
    int64_t version = 0;
    while (message.next()) {
      if (message.field() == opset::domain)
        domain = message.text();
      else if (message.field() == opset::version)
        version = message.integer();
      else
        message.skip();
    }
    model_.opsets[domain == "ai.onnx" ? "" : domain] = version;
  }

  void read_metadata(WireReader message) {
    std::string key, value;
    while (message.next()) {
      if (message.field() == entry::key)
        key = message.text();
      else if (message.field() == entry::value)
        value = message.text();
      else
        message.skip();
    }
    model_.metadata[key] = value;
  }

  void read_graph(WireReader message) {
    while (message.next()) {
      switch (message.field()) {
        case graph::node:
          model_.nodes.push_back(read_node(message.message()));
          break;
        case graph::name:
          model_.name = message.text();
          break;
        case graph::initializer:
          read_initializer(message.message());
          break;
        case graph::input:
          model_.inputs.push_back(read_value(message.message(), "input"));
          break;
        case graph::output:
          model_.outputs.push_back(read_value(message.message(), "output"));
          break;
        case graph::sparse_initializer:
          throw Error(place(), "has sparse initializers, which Hone does not read",
                      "export the model with dense weights");
        default:
          message.skip();
      }
    }
  }

  void read_initializer(WireReader message) {
    NamedTensor named = read_tensor(message, external_, "initializer");
    if (named.name.empty())
      throw Error(place(), "has an initializer without a name", "the file is broken; export it again");
    model_.initializers.push_back({std::move(named.name), std::move(named.tensor)});
  }

  ValueDef read_value(WireReader message, const std::string& what) {
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
      throw Error(place(), "has an " + what + " without a name", "the file is broken; export it again");
    if (type) value.type = read_type(*type, what + " '" + value.name + "'");
    return value;
  }

  Type read_type(WireReader message, const std::string& value) {
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

  Type read_tensor_type(WireReader message, const std::string& value) {
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

  Shape read_shape(WireReader message) {
    Shape shape{std::vector<Dim>{}};
    while (message.next()) {
      if (message.field() == shape::dim)
        shape.dims.push_back(read_dim(message.message()));
      else
        message.skip();
    }
    return shape;
  }

  Dim read_dim(WireReader message) {
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

  NodeDef read_node(WireReader message) {
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
        case node::attribute:
          attributes.push_back(message.message());
          break;
        default:
          message.skip();
      }
    }
    if (node.domain == "ai.onnx") node.domain.clear();
    if (node.name.empty()) node.name = made_up_name(node);
    if (node.op.empty())
      throw Error(place(), "node '" + node.name + "' names no op", "the file is broken; export it again");
    for (const WireReader& attribute : attributes) read_attribute(attribute, node);
    return node;
  }

  /// After its first output where that says something; exporters that number their values get "Conv_12".
  static std::string made_up_name(const NodeDef& node) {
    std::string output = node.outputs.empty() ? "" : node.outputs[0];
    bool number = std::all_of(output.begin(), output.end(), [](unsigned char c) { return std::isdigit(c); });
    if (output.empty()) return node.op;
    return number ? node.op + "_" + output : output;
  }

  static void saw(AttributeDef& def, AttributeType kind) { def.seen = kind; }

  AttributeDef read_attribute_fields(WireReader message, const NodeDef& node) {
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
          message.skip(), saw(def, AttributeType::graph);
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

  void read_attribute(WireReader message, NodeDef& node) {
    AttributeDef def = read_attribute_fields(message, node);
    if (def.name.empty())
      throw Error(node.place(), "has an attribute without a name", "the file is broken; export it again");
    if (!def.ref_name.empty())
      throw Error(node.place(),
                  fmt::format("attribute '{}' refers to an attribute of a function, outside of one", def.name),
                  "the file is broken; export it again");
    if (node.attributes.count(def.name)) throw Error(node.place(), fmt::format("has two attributes '{}'", def.name));
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
      case AttributeType::graphs:
        node.has_subgraph = true;
        return;
      default:
        node.unreadable[def.name] = kind_name(def.type);
        return;
    }
    node.attributes.emplace(def.name, std::move(value));
  }

  std::shared_ptr<const MappedFile> file_;
  ExternalFiles external_;
  ModelDef model_;
};

}  // namespace

std::string NodeDef::place() const {
  std::string type = op;
  if (!type.empty()) type[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(type[0])));
  return type + " '" + name + "'";
}

ModelDef read_model(const std::shared_ptr<const MappedFile>& file) { return ModelReader(file).read(); }

}  // namespace hone::onnx
