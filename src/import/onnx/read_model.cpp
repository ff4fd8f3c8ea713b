#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/read_graph.hpp"

namespace hone::onnx {

namespace {

class ModelReader {
 public:
  explicit ModelReader(const std::shared_ptr<const MappedFile>& file)
      : file_(file), external_(file->in_memory() ? "" : file->path()), reader_(place(), external_) {}

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
          model_.graph = reader_.read_graph(message.message());
          break;
        case model::opset_import:
          read_opset(message.message(), model_.opsets);
          break;
        case model::metadata:
          read_metadata(message.message());
          break;
        case model::functions:
          read_function(message.message());
          break;
        default:
          message.skip();
      }
    }
    if (!has_graph) throw Error(place(), "is not an ONNX file: it holds no graph", "check that this is the right file");
    return std::move(model_);
  }

 private:
  std::string place() const { return fmt::format("'{}'", file_->path().string()); }

  static void read_opset(WireReader message, std::map<std::string, int64_t>& opsets) {
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
    opsets[domain == "ai.onnx" ? "" : domain] = version;
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

  void read_function(WireReader message) {
    FunctionDef function;
    NodeDef defaults;  // the attributes with default values, as if they were those of a node
    std::vector<WireReader> attributes;
    while (message.next()) {
      switch (message.field()) {
        case function::name:
          function.name = message.text();
          break;
        case function::domain:
          function.domain = message.text();
          break;
        case function::overload:
          function.overload = message.text();
          break;
        case function::input:
          function.body.inputs.push_back({message.text(), {}});
          break;
        case function::output:
          function.body.outputs.push_back({message.text(), {}});
          break;
        case function::node:
          function.body.nodes.push_back(reader_.read_node(message.message()));
          break;
        case function::opset_import:
          read_opset(message.message(), function.opsets);
          break;
        case function::default_attribute:
          attributes.push_back(message.message());
          break;
        default:
          message.skip();
      }
    }
    if (function.domain == "ai.onnx") function.domain.clear();
    defaults.op = "function", defaults.name = function.name;
    for (const WireReader& attribute : attributes) reader_.read_attribute(attribute, defaults);
    function.defaults = std::move(defaults.attributes);
    function.body.name = function.name;
    FunctionKey key{function.domain, function.name, function.overload};
    if (!model_.functions.emplace(key, std::move(function)).second)
      throw Error(place(), fmt::format("defines function '{}' twice", std::get<1>(key)),
                  "the file is broken; export it again");
  }

  std::shared_ptr<const MappedFile> file_;
  ExternalFiles external_;
  GraphReader reader_;
  ModelDef model_;
};

}  // namespace

ModelDef read_model(const std::shared_ptr<const MappedFile>& file) { return ModelReader(file).read(); }

}  // namespace hone::onnx
