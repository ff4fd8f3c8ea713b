#pragma once
#include <string>
#include <vector>

#include "import/onnx/model.hpp"

namespace hone::onnx {

/// Everything an AttributeProto may hold; `seen` tells files that leave the type out what was there.
struct AttributeDef {
  std::string name, ref_name;
  AttributeType type = AttributeType::undefined, seen = AttributeType::undefined;
  int64_t i = 0;
  float f = 0;
  std::string s;
  Tensor t;
  std::shared_ptr<GraphDef> g;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
};

/// Decodes graphs and nodes. `place` is how errors name the file.
class GraphReader {
 public:
  GraphReader(std::string place, ExternalFiles& external) : place_(std::move(place)), external_(external) {}
  GraphDef read_graph(WireReader message);
  NodeDef read_node(WireReader message);
  /// Adds an AttributeProto to those of `node`.
  void read_attribute(WireReader message, NodeDef& node);

 private:
  ConstantDef read_initializer(WireReader message);
  ValueDef read_value(WireReader message, const std::string& what);
  Type read_type(WireReader message, const std::string& value);
  Type read_tensor_type(WireReader message, const std::string& value);
  Shape read_shape(WireReader message);
  Dim read_dim(WireReader message);
  AttributeDef read_attribute_fields(WireReader message, const NodeDef& node);

  std::string place_;
  ExternalFiles& external_;
  int depth_ = 0;
};

}  // namespace hone::onnx
