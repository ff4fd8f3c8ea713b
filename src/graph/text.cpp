#include "graph/text.hpp"

#include <cctype>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

bool is_bare(std::string_view name) {
  if (name.empty()) return false;
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::strchr("_./-", c) == nullptr) return false;
  return true;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (c == '\n')
      result += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  return result + "\"";
}

std::string value_name(const Value* value) {
  if (!value) return "_";
  return fmt::format("%{}", is_bare(value->name) ? value->name : quoted(value->name));
}

/// A symbol must not read as a number, `?` or `*`.
bool is_bare_symbol(const std::string& symbol) {
  if (symbol.empty() || std::isdigit(static_cast<unsigned char>(symbol[0]))) return false;
  for (char c : symbol)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  return true;
}

std::string type_text(const Type& type) {
  std::string text = name_of(type.dtype);
  if (!type.shape.ranked) return text + "[*]";
  text += "[";
  for (size_t i = 0; i < type.shape.dims.size(); ++i) {
    const Dim& dim = type.shape[i];
    if (i) text += ", ";
    text += dim.known() || dim.symbol.empty() || is_bare_symbol(dim.symbol) ? to_string(dim) : quoted(dim.symbol);
  }
  return text + "]";
}

template <class T>
void append_number(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>)
    out += value ? "true" : "false";
  else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    append_number(out, static_cast<float>(value));
  else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value))
      out += std::signbit(value) ? "-nan" : "nan";
    else
      fmt::format_to(std::back_inserter(out), "{}", value);  // the shortest form that reads back exactly
  } else {
    fmt::format_to(std::back_inserter(out), "{}", +value);
  }
}

/// The elements of a tensor: a list, fill(...) where that is shorter, or `...`.
void append_data(std::string& out, const Tensor& tensor, const TextOptions& options) {
  if (tensor.size() > options.elide_above) {
    out += "...";
    return;
  }
  if (tensor.dtype() == DType::string) {
    out += "[";
    for (size_t i = 0; i < tensor.strings().size(); ++i) (out += i ? ", " : "") += quoted(tensor.strings()[i]);
    out += "]";
    return;
  }
  size_t element = size_of(tensor.dtype());
  const char* bytes = static_cast<const char*>(tensor.raw());
  bool uniform = tensor.size() > 4 && std::memcmp(bytes, bytes + element, tensor.bytes() - element) == 0;
  dispatch(tensor.dtype(), [&](auto tag) {
    const auto* data = static_cast<const decltype(tag)*>(tensor.raw());
    if (uniform) {
      out += "fill(";
      append_number(out, data[0]);
      out += ")";
      return;
    }
    out += "[";
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (i) out += ", ";
      append_number(out, data[i]);
    }
    out += "]";
  });
}

std::string indented(int depth) { return std::string(static_cast<size_t>(depth) * 2, ' '); }
void append_graph(std::string& out, const Graph& graph, const TextOptions& options, int depth);

void append_attribute(std::string& out, const Attribute& attribute, const TextOptions& options, int depth) {
  if (auto* text = std::get_if<std::string>(&attribute)) {
    out += quoted(*text);
  } else if (auto* texts = std::get_if<std::vector<std::string>>(&attribute)) {
    out += "[";
    for (size_t i = 0; i < texts->size(); ++i) (out += i ? ", " : "") += quoted((*texts)[i]);
    out += "]";
  } else if (auto* tensor = std::get_if<Tensor>(&attribute)) {
    out += type_text({tensor->dtype(), Shape(tensor->dims())}) + " ";
    append_data(out, *tensor, options);
  } else if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&attribute)) {
    append_graph(out, **graph, options, depth + 1);
  } else {
    out += to_string(attribute);
  }
}

/// ` {strides=[2, 2]}`, without what the op has by default.
void append_attributes(std::string& out, const Op& op, const TextOptions& options, int depth) {
  auto plain = make_op(op.domain(), op.type());
  Attributes defaults = plain ? get_attributes(*plain) : Attributes();
  Attributes attributes = get_attributes(op);
  auto same = [](const Attribute& a, const Attribute& b) {
    if (a.index() != b.index()) return false;
    if (std::holds_alternative<Tensor>(a)) return identical(std::get<Tensor>(a), std::get<Tensor>(b));
    return to_string(a) == to_string(b);
  };
  // A default text or list that was emptied must be said.
  for (auto& [name, value] : defaults) {
    if (attributes.count(name)) continue;
    if (std::holds_alternative<std::string>(value))
      attributes[name] = std::string();
    else
      attributes[name] = std::vector<int64_t>();
  }
  const char* separator = " {";
  for (auto& [name, value] : attributes) {
    auto found = defaults.find(name);
    if (found != defaults.end() && same(found->second, value)) continue;
    out += separator + name + "=";
    append_attribute(out, value, options, depth);
    separator = ", ";
  }
  if (separator[0] == ',') out += "}";
}

void append_node(std::string& out, const Node& node, const TextOptions& options, int depth) {
  for (size_t i = 0; i < node.outputs().size(); ++i) (out += i ? ", " : "") += value_name(node.output(i));
  std::string domain = node.op().domain();
  out += fmt::format(" = {}{}{}(", domain, domain.empty() ? "" : ".", node.op().type());
  for (size_t i = 0; i < node.inputs().size(); ++i) (out += i ? ", " : "") += value_name(node.input(i));
  out += ")";
  append_attributes(out, node.op(), options, depth);
  if (node.outputs().empty() || node.name != node.output()->name) (out += " ") += quoted(node.name);
  if (!options.types) return;
  bool typed = false;
  for (const Value* output : node.outputs()) typed |= output->type != Type();
  for (size_t i = 0; typed && i < node.outputs().size(); ++i)
    (out += i ? ", " : " : ") += type_text(node.output(i)->type);
}

void append_graph(std::string& out, const Graph& graph, const TextOptions& options, int depth) {
  std::string margin = indented(depth + 1);
  out += "graph " + quoted(graph.name) + " {\n";
  for (auto& [key, text] : graph.metadata) out += margin + "metadata " + quoted(key) + " = " + quoted(text) + "\n";
  for (const Value* input : graph.inputs())
    out += margin + "input " + value_name(input) + ": " + type_text(input->type) + "\n";
  for (const Value* constant : graph.constants()) {
    out += margin + "const " + value_name(constant) + ": " + type_text(constant->type) + " = ";
    append_data(out, constant->constant(), options);
    out += "\n";
  }
  for (auto& node : graph.nodes()) {
    out += margin;
    append_node(out, *node, options, depth);
    out += "\n";
  }
  for (const GraphOutput& output : graph.outputs())
    out += margin + "output " + quoted(output.name) + " = " + value_name(output.value) + "\n";
  out += indented(depth) + "}";
}

}  // namespace

std::string to_text(const Graph& graph, const TextOptions& options) {
  std::string out;
  append_graph(out, graph, options, 0);
  return out + "\n";
}

}  // namespace hone
