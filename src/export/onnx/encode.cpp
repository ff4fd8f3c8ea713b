#include "export/onnx/encode.hpp"

#include <protozero/pbf_writer.hpp>

#include "base/error.hpp"
#include "graph/onnx_format.hpp"
#include "tensor/int4.hpp"

namespace hone::onnx {

namespace {

using Writer = protozero::pbf_writer;

/// Writes the value field of an AttributeProto and returns its type.
struct ValueWriter {
  Writer& out;
  AttributeType operator()(int64_t value) { return out.add_int64(attribute::i, value), AttributeType::i; }
  AttributeType operator()(float value) { return out.add_float(attribute::f, value), AttributeType::f; }
  AttributeType operator()(const std::string& value) { return out.add_bytes(attribute::s, value), AttributeType::s; }
  AttributeType operator()(const std::vector<int64_t>& values) {
    for (int64_t value : values) out.add_int64(attribute::ints, value);
    return AttributeType::ints;
  }
  AttributeType operator()(const std::vector<float>& values) {
    for (float value : values) out.add_float(attribute::floats, value);
    return AttributeType::floats;
  }
  AttributeType operator()(const std::vector<std::string>& values) {
    for (const std::string& value : values) out.add_bytes(attribute::strings, value);
    return AttributeType::strings;
  }
  AttributeType operator()(const Tensor& value) {
    return out.add_message(attribute::t, encode_tensor("", value)), AttributeType::tensor;
  }
  AttributeType operator()(const std::shared_ptr<Graph>&) {
    throw Error("attribute", "holds a graph, which export does not write");
  }
};

std::string encode_attribute(const std::string& name, const Attribute& value) {
  std::string bytes;
  Writer out(bytes);
  out.add_string(attribute::name, name);
  AttributeType type = std::visit(ValueWriter{out}, value);
  out.add_enum(attribute::type, static_cast<int32_t>(type));
  return bytes;
}

std::string encode_graph_attribute(const std::string& name, const std::string& graph) {
  std::string bytes;
  Writer out(bytes);
  out.add_string(attribute::name, name);
  out.add_message(attribute::g, graph);
  out.add_enum(attribute::type, static_cast<int32_t>(AttributeType::graph));
  return bytes;
}

std::string encode_shape(const Shape& shape) {
  std::string bytes;
  Writer out(bytes);
  for (const Dim& size : shape.dims) {
    std::string one;
    Writer dim_out(one);
    if (size.known())
      dim_out.add_int64(dim::value, size.value);
    else if (!size.symbol.empty())
      dim_out.add_string(dim::param, size.symbol);
    out.add_message(shape::dim, one);
  }
  return bytes;
}

}  // namespace

std::string encode_node(const StandardNode& node) {
  std::string bytes;
  Writer out(bytes);
  for (const std::string& input : node.inputs) out.add_string(node::input, input);
  for (const std::string& output : node.outputs) out.add_string(node::output, output);
  out.add_string(node::name, node.name);
  out.add_string(node::op_type, node.op);
  for (auto& [name, value] : node.attributes) {
    try {
      out.add_message(node::attribute, encode_attribute(name, value));
    } catch (const Error& error) {
      throw Error("node '" + node.name + "'", "attribute '" + name + "' " + error.problem());
    }
  }
  for (auto& [name, graph] : node.graphs) out.add_message(node::attribute, encode_graph_attribute(name, graph));
  return bytes;
}

std::string encode_value(const std::string& name, const Type& type) {
  std::string tensor, whole, bytes;
  Writer tensor_out(tensor);
  tensor_out.add_int32(tensor_type::element, static_cast<int32_t>(type.dtype));
  if (type.shape.ranked) tensor_out.add_message(tensor_type::shape, encode_shape(type.shape));
  Writer(whole).add_message(type::tensor, tensor);
  Writer out(bytes);
  out.add_string(value_info::name, name);
  out.add_message(value_info::type, whole);
  return bytes;
}

std::string encode_entry(const std::string& key, const std::string& value) {
  std::string bytes;
  Writer out(bytes);
  out.add_string(entry::key, key);
  out.add_string(entry::value, value);
  return bytes;
}

std::string encode_tensor_head(const std::string& name, const Tensor& tensor) {
  std::string bytes;
  Writer out(bytes);
  for (int64_t size : tensor.dims()) out.add_int64(tensor::dims, size);
  out.add_int32(tensor::data_type, static_cast<int32_t>(tensor.dtype()));
  if (tensor.dtype() == DType::string)
    for (const std::string& text : tensor.strings()) out.add_bytes(tensor::string_data, text);
  if (!name.empty()) out.add_string(tensor::name, name);
  return bytes;
}

std::string encode_tensor(const std::string& name, const Tensor& tensor) {
  std::string bytes = encode_tensor_head(name, tensor);
  if (is_4_bit(tensor.dtype()))
    Writer(bytes).add_bytes(tensor::raw_data, pack_4_bit(tensor));
  else if (tensor.dtype() != DType::string)
    Writer(bytes).add_bytes(tensor::raw_data, static_cast<const char*>(tensor.raw()), tensor.bytes());
  return bytes;
}

}  // namespace hone::onnx
