#include "export/onnx/onnx_export.hpp"

#include <map>
#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "export/onnx/encode.hpp"
#include "export/onnx/standard_form.hpp"
#include "graph/onnx_format.hpp"
#include "graph/ops/control/control.hpp"
#include "tensor/int4.hpp"

namespace hone::onnx {

namespace {

constexpr size_t smallest_external = 1024;  // smaller tensors stay in the model file
constexpr uint64_t external_alignment = 64;

struct Initializer {
  std::string name;
  Tensor tensor;
};

/// Bytes of the file: `text`, then the data of `tensor` where there is one. Weights are never copied.
struct Piece {
  std::string text;
  const Tensor* tensor = nullptr;
  size_t size() const { return text.size() + (tensor ? tensor->bytes() : 0); }
};

std::string varint(uint64_t value) {
  std::string bytes;
  protozero::add_varint_to_buffer(&bytes, value);
  return bytes;
}
/// Tag and length of a length-delimited field.
std::string field_head(Field field, uint64_t length) {
  std::string bytes = varint(field << 3 | 2);
  protozero::add_varint_to_buffer(&bytes, length);
  return bytes;
}
std::string whole_field(Field field, const std::string& content) { return field_head(field, content.size()) + content; }

/// The parts of the model that do not depend on where the weights go.
struct Parts {
  std::string head, nodes, ends, tail;  ///< before the graph; in it before and after the initializers; after it
  std::vector<Initializer> initializers;
};

void check_typed(const std::string& place, const Type& type) {
  if (type.dtype == DType::undefined) throw Error(place, "has no element type", "run Graph::infer() before exporting");
}

class PartsMaker {
 public:
  explicit PartsMaker(const Graph& graph) : graph_(graph), names_(graph) {}

  Parts make() {
    for (auto& node : graph_.nodes()) add(*node);
    for (const GraphOutput& output : graph_.outputs()) {
      check_typed(fmt::format("output '{}'", output.name), output.value->type);
      if (output.value->is_constant()) add_constant(output.value);
      // One value cannot have two names: constants, inputs and values that are output twice get a copy.
      const std::string& name = names_.of(output.value);
      if (name != output.name) add_node({"Identity", names_.fresh(output.name + "_copy"), {name}, {output.name}, {}});
      parts_.ends += whole_field(graph::output, encode_value(output.name, output.value->type));
    }
    parts_.nodes += whole_field(graph::name, graph_.name.empty() ? "main" : graph_.name);
    std::string inputs;
    for (const Value* input : graph_.inputs()) {
      check_typed(fmt::format("input '{}'", input->name), input->type);
      inputs += whole_field(graph::input, encode_value(names_.of(input), input->type));
    }
    parts_.ends = inputs + parts_.ends;
    make_frame();
    return std::move(parts_);
  }

 private:
  void add(const Node& node) {
    for (const Value* input : node.inputs())
      if (input && input->is_constant()) add_constant(input);
    StandardForm form = standard_form(node, names_);
    add_bodies(form, node, names_);
    for (auto& [name, tensor] : form.constants) parts_.initializers.push_back({name, tensor});
    for (const StandardNode& standard : form.nodes) add_node(standard);
  }

  void add_bodies(StandardForm& form, const Node& node, const Names& names) {
    const ops::ControlOp* control = ops::control_op(node);
    if (!control) return;
    std::vector<std::string> captures;
    for (size_t i = control->own_inputs(node.inputs().size()); i < node.inputs().size(); ++i)
      captures.push_back(names.of(node.input(i)));
    for (auto& [name, value] : get_attributes(*control))
      if (auto* body = std::get_if<std::shared_ptr<Graph>>(&value))
        form.nodes[0].graphs[name] = encode_body(**body, names, captures);
  }

  /// A GraphProto. Large constants go to the main graph, which bodies see, beside all other weights.
  std::string encode_body(const Graph& body, const Names& around, std::span<const std::string> captures) {
    Names names(body, around, captures);
    std::string nodes, ends;
    for (const Value* constant : body.constants()) {
      if (body.use_count(constant) == 0) continue;
      if (constant->dtype() == DType::string || constant->constant().bytes() < smallest_external)
        ends += whole_field(graph::initializer, encode_tensor(names.of(constant), constant->constant()));
      else
        names.set(constant, hoisted(names.of(constant), constant->constant()));
    }
    auto put = [&](const StandardNode& node) {
      opset_ = std::max(opset_, needed_opset(node));
      nodes += whole_field(graph::node, encode_node(node));
    };
    for (auto& node : body.nodes()) {
      StandardForm form = standard_form(*node, names);
      add_bodies(form, *node, names);
      for (auto& [name, tensor] : form.constants) ends += whole_field(graph::initializer, encode_tensor(name, tensor));
      for (const StandardNode& standard : form.nodes) put(standard);
    }
    for (size_t i = 0; i + captures.size() < body.inputs().size(); ++i) {
      const Value* input = body.inputs()[i];
      check_typed(fmt::format("input '{}' of a body", input->name), input->type);
      ends += whole_field(graph::input, encode_value(names.of(input), input->type));
    }
    std::unordered_set<const Value*> listed;
    for (const GraphOutput& output : body.outputs()) {
      check_typed(fmt::format("output '{}' of a body", output.name), output.value->type);
      std::string name = names.of(output.value);
      // Other runtimes want each output of a body to come from a node of it.
      if (!output.value->producer() || !listed.insert(output.value).second) {
        std::string copy = names.fresh(output.name + "_copy");
        put({"Identity", copy, {name}, {copy}, {}});
        name = copy;
      }
      ends += whole_field(graph::output, encode_value(name, output.value->type));
    }
    return nodes + whole_field(graph::name, body.name.empty() ? "body" : body.name) + ends;
  }

  /// The initializer of the main graph with this content: bodies have their own constants that share memory with
  /// others.
  const std::string& hoisted(const std::string& name, const Tensor& tensor) {
    auto [it, fresh] = hoisted_.emplace(std::tuple{tensor.raw(), tensor.dtype(), tensor.dims()}, name);
    if (fresh) parts_.initializers.push_back({name, tensor});
    return it->second;
  }

  void add_node(const StandardNode& node) {
    opset_ = std::max(opset_, needed_opset(node));
    parts_.nodes += whole_field(graph::node, encode_node(node));
  }

  void add_constant(const Value* value) {
    if (!written_.insert(value).second) return;
    const Tensor& tensor = value->constant();
    if (tensor.dtype() == DType::string || tensor.bytes() < smallest_external)
      parts_.initializers.push_back({names_.of(value), tensor});
    else
      names_.set(value, hoisted(names_.of(value), tensor));
  }

  void make_frame() {
    protozero::pbf_writer head(parts_.head);
    // The versions of the file format and of the ops came out together: 11 with 23, 12 with 24, 13 with 25 and 26.
    head.add_int64(model::ir_version, written_ir_version + std::clamp<int64_t>(opset_ - 22, 0, 3));
    head.add_string(model::producer_name, "hone");
    std::string opset;
    protozero::pbf_writer opset_out(opset);
    opset_out.add_string(opset::domain, "");
    opset_out.add_int64(opset::version, opset_);
    parts_.tail = whole_field(model::opset_import, opset);
    for (auto& [key, value] : graph_.metadata) parts_.tail += whole_field(model::metadata, encode_entry(key, value));
  }

  const Graph& graph_;
  Names names_;
  Parts parts_;
  int64_t opset_ = graph_opset;
  std::unordered_set<const Value*> written_;
  std::map<std::tuple<const void*, DType, Dims>, std::string> hoisted_;  ///< names of initializers by content
};

/// The initializer as a field of the graph that begins at `position` of the file. Its data comes to lie at a multiple
/// of the element size, so that readers can use it where it is: a doc_string of blanks fills the gap.
Piece inline_initializer(const Initializer& initializer, uint64_t position) {
  const Tensor& tensor = initializer.tensor;
  std::string head = encode_tensor_head(initializer.name, tensor);
  if (tensor.dtype() == DType::string) return {whole_field(graph::initializer, head), nullptr};
  if (is_4_bit(tensor.dtype()))
    return {whole_field(graph::initializer, encode_tensor(initializer.name, tensor)), nullptr};
  std::string data_head = field_head(tensor::raw_data, tensor.bytes());
  size_t alignment = size_of(tensor.dtype());
  for (size_t blanks = 0;; ++blanks) {
    std::string filler = blanks == 0 ? "" : whole_field(tensor::doc_string, std::string(blanks - 1, ' '));
    std::string content = head + filler + data_head;
    std::string text = field_head(graph::initializer, content.size() + tensor.bytes()) + content;
    // Blanks past two rounds: a length grew by a byte in between; no position fits, so be it.
    if ((position + text.size()) % alignment == 0 || blanks > 2 * alignment) return {std::move(text), &tensor};
  }
}

std::vector<Piece> inline_pieces(const Parts& parts, uint64_t position) {
  std::vector<Piece> pieces;
  for (const Initializer& initializer : parts.initializers) {
    pieces.push_back(inline_initializer(initializer, position));
    position += pieces.back().size();
  }
  return pieces;
}

/// Initializers that refer to a second file, and what to write there.
std::vector<Piece> external_pieces(const Parts& parts, const std::string& file_name, std::vector<Piece>& data) {
  std::vector<Piece> pieces;
  uint64_t offset = 0;
  for (const Initializer& initializer : parts.initializers) {
    const Tensor& tensor = initializer.tensor;
    // Packed elements are not the bytes in memory.
    if (tensor.dtype() == DType::string || is_4_bit(tensor.dtype()) || tensor.bytes() < smallest_external) {
      pieces.push_back({whole_field(graph::initializer, encode_tensor(initializer.name, tensor)), nullptr});
      continue;
    }
    uint64_t gap = (external_alignment - offset % external_alignment) % external_alignment;
    data.push_back({std::string(gap, '\0'), &tensor});
    offset += gap;
    std::string content = encode_tensor_head(initializer.name, tensor);
    content += whole_field(tensor::external_data, encode_entry("location", file_name));
    content += whole_field(tensor::external_data, encode_entry("offset", std::to_string(offset)));
    content += whole_field(tensor::external_data, encode_entry("length", std::to_string(tensor.bytes())));
    protozero::pbf_writer(content).add_enum(tensor::data_location, 1);
    pieces.push_back({whole_field(graph::initializer, content), nullptr});
    offset += tensor.bytes();
  }
  return pieces;
}

uint64_t total(const std::vector<Piece>& pieces) {
  uint64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.size();
  return bytes;
}

uint64_t graph_size(const Parts& parts, const std::vector<Piece>& pieces) {
  return parts.nodes.size() + total(pieces) + parts.ends.size();
}

uint64_t file_size(const Parts& parts, const std::vector<Piece>& pieces) {
  uint64_t inside = graph_size(parts, pieces);
  return parts.head.size() + field_head(model::graph, inside).size() + inside + parts.tail.size();
}

/// Where the weights lie depends on how many bytes the graph's length takes, and that on the weights: two rounds settle
/// it.
std::vector<Piece> settled_pieces(const Parts& parts) {
  uint64_t length = parts.nodes.size() + parts.ends.size();
  for (const Initializer& initializer : parts.initializers) length += initializer.tensor.bytes();
  std::vector<Piece> pieces;
  for (int round = 0; round < 2; ++round) {
    pieces = inline_pieces(parts, parts.head.size() + field_head(model::graph, length).size() + parts.nodes.size());
    length = graph_size(parts, pieces);
  }
  return pieces;
}

void write_pieces(const FileAppend& append, const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    append(piece.text.data(), piece.text.size());
    if (piece.tensor && piece.tensor->bytes() > 0) append(piece.tensor->raw(), piece.tensor->bytes());
  }
}

}  // namespace

void export_onnx(const Graph& graph, const std::filesystem::path& path, const ExportOptions& options) {
  Parts parts = PartsMaker(graph).make();
  std::vector<Piece> pieces = settled_pieces(parts), data;
  if (file_size(parts, pieces) > options.max_file_bytes) {
    std::filesystem::path data_path = path;
    data_path += ".data";
    pieces = external_pieces(parts, data_path.filename().string(), data);
    if (!data.empty()) write_file(data_path, [&](const FileAppend& append) { write_pieces(append, data); });
  }
  write_file(path, [&](const FileAppend& append) {
    std::string begin = parts.head + field_head(model::graph, graph_size(parts, pieces)) + parts.nodes;
    append(begin.data(), begin.size());
    write_pieces(append, pieces);
    std::string end = parts.ends + parts.tail;
    append(end.data(), end.size());
  });
}

}  // namespace hone::onnx
