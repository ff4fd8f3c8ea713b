#include "app/support/model_features.hpp"

#include "base/file.hpp"
#include "import/onnx/model.hpp"

namespace hone::app {

namespace {

using onnx::WireReader;

constexpr int max_depth = 64;  // of types and subgraphs: a file that nests deeper is not looked into

class FeatureReader {
 public:
  void read_model(WireReader message) {
    while (message.next()) {
      if (message.field() == onnx::model::graph)
        read_graph(message.message(), 0);
      else if (message.field() == onnx::model::functions)
        read_function(message.message());
      else
        message.skip();
    }
  }

  std::set<std::string> features;

 private:
  void read_graph(WireReader message, int depth) {
    while (message.next()) {
      switch (message.field()) {
        case onnx::graph::node: read_node(message.message(), depth); break;
        case onnx::graph::initializer: read_tensor(message.message()); break;
        case onnx::graph::input:
        case onnx::graph::output:
        case onnx::graph::value_info: read_value(message.message(), depth); break;
        default: message.skip();
      }
    }
  }

  void read_function(WireReader message) {
    while (message.next()) {
      if (message.field() == onnx::function::node) read_node(message.message(), 0);
      else message.skip();
    }
  }

  void read_node(WireReader message, int depth) {
    while (message.next()) {
      switch (message.field()) {
        case onnx::node::op_type: features.insert("op=" + message.text()); break;
        case onnx::node::domain:
          if (std::string domain = message.text(); !domain.empty()) features.insert("domain=" + domain);
          break;
        case onnx::node::attribute: read_attribute(message.message(), depth); break;
        default: message.skip();
      }
    }
  }

  void read_attribute(WireReader message, int depth) {
    while (message.next()) {
      bool graph = message.field() == onnx::attribute::g || message.field() == onnx::attribute::graphs;
      if (graph && depth < max_depth) read_graph(message.message(), depth + 1);
      else if (message.field() == onnx::attribute::t) read_tensor(message.message());
      else message.skip();
    }
  }

  void read_tensor(WireReader message) {
    while (message.next()) {
      if (message.field() == onnx::tensor::data_type) add_element(message.integer());
      else message.skip();
    }
  }

  void read_value(WireReader message, int depth) {
    while (message.next()) {
      if (message.field() == onnx::value_info::type) read_type(message.message(), depth);
      else message.skip();
    }
  }

  void read_type(WireReader message, int depth) {
    while (message.next()) {
      switch (message.field()) {
        case onnx::type::tensor: read_tensor_type(message.message()); break;
        case onnx::type::sequence: read_container(message.message(), "type=sequence", 1, depth); break;
        case onnx::type::optional: read_container(message.message(), "type=optional", 1, depth); break;
        case onnx::type::map: read_container(message.message(), "type=map", 2, depth); break;
        case onnx::type::sparse_tensor: features.insert("type=sparse"), message.skip(); break;
        default: message.skip();
      }
    }
  }

  /// `element` is the field that holds the type of what a sequence, optional or map contains.
  void read_container(WireReader message, const char* kind, onnx::Field element, int depth) {
    features.insert(kind);
    while (message.next()) {
      if (message.field() == element && depth < max_depth) read_type(message.message(), depth + 1);
      else message.skip();
    }
  }

  void read_tensor_type(WireReader message) {
    while (message.next()) {
      if (message.field() == onnx::tensor_type::element) add_element(message.integer());
      else message.skip();
    }
  }

  void add_element(int64_t type) {
    if (type != 0) features.insert("type=" + onnx::element_name(type));
  }
};

}  // namespace

std::set<std::string> model_features(const std::filesystem::path& path) {
  FeatureReader reader;
  reader.read_model(WireReader(MappedFile::open(path)));
  return std::move(reader.features);
}

}  // namespace hone::app
