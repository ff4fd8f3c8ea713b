#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <protozero/pbf_writer.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "graph/graph.hpp"
#include "graph/onnx_format.hpp"
#include "import/import.hpp"
#include "temporary_folder.hpp"

/// Makes ONNX files by hand, independently of src/export, so that tests can write what no exporter would.
namespace hone::testing_tools {

/// A folder for the files of one test: these tests write thousands of small ones.
struct OnnxFolder : TemporaryFolder {
  OnnxFolder() : TemporaryFolder(Place::memory) {}
};

using PbfWriter = protozero::pbf_writer;

/// A protobuf message from a function that fills it.
template <class Fill>
std::string message(Fill fill) {
  std::string bytes;
  PbfWriter writer(bytes);
  fill(writer);
  return bytes;
}

inline std::string tensor_message(const std::string& name, const Tensor& tensor) {
  return message([&](PbfWriter& out) {
    for (int64_t size : tensor.dims()) out.add_int64(onnx::tensor::dims, size);
    out.add_int32(onnx::tensor::data_type, static_cast<int32_t>(tensor.dtype()));
    out.add_string(onnx::tensor::name, name);
    out.add_bytes(onnx::tensor::raw_data, static_cast<const char*>(tensor.raw()), tensor.bytes());
  });
}

inline std::string attribute_message(const std::string& name, const Attribute& value) {
  return message([&](PbfWriter& out) {
    out.add_string(onnx::attribute::name, name);
    auto type = onnx::AttributeType::undefined;
    if (auto* i = std::get_if<int64_t>(&value)) out.add_int64(onnx::attribute::i, *i), type = onnx::AttributeType::i;
    if (auto* f = std::get_if<float>(&value)) out.add_float(onnx::attribute::f, *f), type = onnx::AttributeType::f;
    if (auto* s = std::get_if<std::string>(&value))
      out.add_bytes(onnx::attribute::s, *s), type = onnx::AttributeType::s;
    if (auto* t = std::get_if<Tensor>(&value))
      out.add_message(onnx::attribute::t, tensor_message("", *t)), type = onnx::AttributeType::tensor;
    if (auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
      out.add_packed_int64(onnx::attribute::ints, ints->begin(), ints->end());
      type = onnx::AttributeType::ints;
    }
    if (auto* floats = std::get_if<std::vector<float>>(&value)) {
      for (float f : *floats) out.add_float(onnx::attribute::floats, f);
      type = onnx::AttributeType::floats;
    }
    if (auto* strings = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& s : *strings) out.add_bytes(onnx::attribute::strings, s);
      type = onnx::AttributeType::strings;
    }
    out.add_enum(onnx::attribute::type, static_cast<int32_t>(type));
  });
}

inline std::string value_message(const std::string& name, const Type& type) {
  std::string shape = message([&](PbfWriter& out) {
    for (const Dim& size : type.shape.dims)
      out.add_message(onnx::shape::dim, message([&](PbfWriter& dim) {
                        if (!size.symbol.empty())
                          dim.add_string(onnx::dim::param, size.symbol);
                        else
                          dim.add_int64(onnx::dim::value, size.value);
                      }));
  });
  std::string tensor = message([&](PbfWriter& out) {
    out.add_int32(onnx::tensor_type::element, static_cast<int32_t>(type.dtype));
    if (type.shape.ranked) out.add_message(onnx::tensor_type::shape, shape);
  });
  return message([&](PbfWriter& out) {
    out.add_string(onnx::value_info::name, name);
    out.add_message(onnx::value_info::type,
                    message([&](PbfWriter& inner) { inner.add_message(onnx::type::tensor, tensor); }));
  });
}

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs, outputs;
  Attributes attributes = {};
  std::string name = "n";
  std::string domain = {};
};

/// A model in the making; `graph` and `model` are the bytes of the two messages and may be added to freely.
class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 21) : opset_(opset) {}
  std::string graph, extra;
  int64_t ir_version = 8;

  OnnxBuilder& input(const std::string& name, Shape shape, DType dtype = DType::f32) {
    return field(onnx::graph::input, value_message(name, {dtype, std::move(shape)}));
  }
  OnnxBuilder& output(const std::string& name, Type type = {DType::f32, Shape()}) {
    return field(onnx::graph::output, value_message(name, type));
  }
  OnnxBuilder& initializer(const std::string& name, const Tensor& tensor) {
    return field(onnx::graph::initializer, tensor_message(name, tensor));
  }
  OnnxBuilder& node(const OnnxNode& node, const std::string& attribute = {}) {
    return field(onnx::graph::node, message([&](PbfWriter& out) {
                   for (const std::string& value : node.inputs) out.add_string(onnx::node::input, value);
                   for (const std::string& value : node.outputs) out.add_string(onnx::node::output, value);
                   out.add_string(onnx::node::name, node.name);
                   out.add_string(onnx::node::op_type, node.op);
                   for (auto& [name, value] : node.attributes)
                     out.add_message(onnx::node::attribute, attribute_message(name, value));
                   if (!attribute.empty()) out.add_message(onnx::node::attribute, attribute);
                   if (!node.domain.empty()) out.add_string(onnx::node::domain, node.domain);
                 }));
  }
  OnnxBuilder& field(onnx::Field field, const std::string& content) {
    PbfWriter(graph).add_message(field, content);
    return *this;
  }
  std::string bytes() const {
    return message([&](PbfWriter& out) {
             out.add_int64(onnx::model::ir_version, ir_version);
             out.add_message(onnx::model::graph, graph);
             if (opset_ > 0)
               out.add_message(onnx::model::opset_import, message([&](PbfWriter& set) {
                                 set.add_string(onnx::opset::domain, "");
                                 set.add_int64(onnx::opset::version, opset_);
                               }));
           }) +
           extra;
  }
  Graph import() const {
    OnnxFolder folder;
    return import_model(folder.write("model.onnx", bytes()));
  }

 private:
  int64_t opset_;
};

/// The text of the Error that `f` throws; "no error" when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A small classifier-like model with weights, a shape computation and metadata; its ops have no hostile cost.
inline OnnxBuilder small_model() {
  OnnxBuilder model(13);
  model.input("x", Shape{Dim::named("N"), 4});
  model.output("y", {DType::f32, Shape{Dim::named("N"), 2}});
  model.initializer("w", Tensor::of<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}));
  model.initializer("b", Tensor::of<float>({2}, {0.5f, -0.5f}));
  model.node({"Relu", {"x"}, {"r"}, {}, "relu"});
  model.node({"MatMul", {"r", "w"}, {"m"}, {}, "mm"});
  model.node({"Add", {"m", "b"}, {"a"}, {}, "add"});
  model.node({"Constant", {}, {"axes"}, {{"value", Tensor::of<int64_t>({1}, {0})}}, "c"});
  model.node({"Unsqueeze", {"a", "axes"}, {"u"}, {}, "un"});
  model.node({"Squeeze", {"u", "axes"}, {"s"}, {}, "sq"});
  model.node({"Softmax", {"s"}, {"y"}, {{"axis", int64_t{-1}}}, "prob"});
  model.extra = message([](PbfWriter& out) {
    out.add_message(onnx::model::metadata, message([](PbfWriter& entry) {
                      entry.add_string(onnx::entry::key, "labels");
                      entry.add_string(onnx::entry::value, "cat\ndog");
                    }));
  });
  return model;
}

}  // namespace hone::testing_tools
