#include <set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/graph.hpp"

namespace hone {

void AttributeVisitor::field(const char* name, DType& value) {
  int64_t number = static_cast<int64_t>(value);
  field(name, number);
  bool fits = number >= 0 && number <= 255;
  DType type = static_cast<DType>(fits ? number : 0);
  if (!fits || (number != 0 && type != DType::string && size_of(type) == 0))
    throw Error("attribute", fmt::format("attribute '{}' is {}, expected the number of an element type", name, number));
  value = type;
}

void AttributeVisitor::field(const char* name, bool& value) {
  int64_t number = value;
  field(name, number);
  value = number != 0;
}

namespace {

class Writer : public AttributeVisitor {
 public:
  Attributes result;
  using AttributeVisitor::field;
  void field(const char* name, int64_t& value) override { result[name] = value; }
  void field(const char* name, float& value) override { result[name] = value; }
  void field(const char* name, std::string& value) override { if (!value.empty()) result[name] = value; }
  void field(const char* name, std::vector<int64_t>& value) override { if (!value.empty()) result[name] = value; }
  void field(const char* name, std::vector<float>& value) override { if (!value.empty()) result[name] = value; }
  void field(const char* name, std::vector<std::string>& value) override { if (!value.empty()) result[name] = value; }
  void field(const char* name, Tensor& value) override { if (value.defined()) result[name] = value; }
  void field(const char* name, std::shared_ptr<Graph>& value) override { if (value) result[name] = value; }
  void field(const char* name, std::optional<int64_t>& value) override { if (value) result[name] = *value; }
  void field(const char* name, std::optional<float>& value) override { if (value) result[name] = *value; }
};

class Reader : public AttributeVisitor {
 public:
  Reader(const Op& op, const Attributes& attributes) : op_(op), attributes_(attributes) {}
  std::set<std::string> known;
  using AttributeVisitor::field;
  void field(const char* name, int64_t& value) override { read(name, value, "an integer"); }
  void field(const char* name, float& value) override {
    // Some exporters write whole numbers for float attributes.
    auto it = attributes_.find(name);
    if (it != attributes_.end() && std::holds_alternative<int64_t>(it->second)) {
      known.insert(name);
      value = static_cast<float>(std::get<int64_t>(it->second));
      return;
    }
    read(name, value, "a number");
  }
  void field(const char* name, std::string& value) override { read(name, value, "a string"); }
  void field(const char* name, std::vector<int64_t>& value) override { read_list(name, value, "a list of integers"); }
  void field(const char* name, std::vector<float>& value) override { read_list(name, value, "a list of numbers"); }
  void field(const char* name, std::vector<std::string>& value) override {
    read_list(name, value, "a list of strings");
  }
  void field(const char* name, Tensor& value) override { read(name, value, "a tensor"); }
  void field(const char* name, std::shared_ptr<Graph>& value) override { read(name, value, "a graph"); }
  void field(const char* name, std::optional<int64_t>& value) override {
    int64_t number = 0;
    if (read(name, number, "an integer")) value = number;
  }
  void field(const char* name, std::optional<float>& value) override {
    float number = 0;
    size_t before = attributes_.count(name);
    if (before) field(name, number), value = number;
    known.insert(name);
  }

 private:
  template <class T>
  bool read(const char* name, T& value, const char* kind) {
    known.insert(name);
    auto it = attributes_.find(name);
    if (it == attributes_.end()) return false;
    if (!std::holds_alternative<T>(it->second))
      throw Error(op_.type(), fmt::format("attribute '{}' is {}, expected {}", name, to_string(it->second), kind));
    value = std::get<T>(it->second);
    return true;
  }
  template <class T>
  void read_list(const char* name, std::vector<T>& value, const char* kind) {
    auto it = attributes_.find(name);
    // The text form cannot tell the type of an empty list.
    if (it != attributes_.end() && std::holds_alternative<std::vector<int64_t>>(it->second) &&
        std::get<std::vector<int64_t>>(it->second).empty()) {
      known.insert(name);
      value.clear();
      return;
    }
    if constexpr (std::is_same_v<T, float>) {
      if (it != attributes_.end() && std::holds_alternative<std::vector<int64_t>>(it->second)) {
        known.insert(name);
        value.clear();
        for (int64_t number : std::get<std::vector<int64_t>>(it->second)) value.push_back(static_cast<float>(number));
        return;
      }
    }
    read(name, value, kind);
  }
  const Op& op_;
  const Attributes& attributes_;
};

bool equal(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  if (auto* tensor = std::get_if<Tensor>(&a)) return identical(*tensor, std::get<Tensor>(b));
  return std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Tensor>) return false;
        else return value == std::get<T>(b);
      },
      a);
}

template <class T>
std::string list_text(const std::vector<T>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i) text += ", ";
    text += to_string(Attribute(values[i]));
  }
  return text + "]";
}

}  // namespace

Attributes get_attributes(const Op& op) {
  Writer writer;
  op.clone()->attributes(writer);
  return std::move(writer.result);
}

std::vector<std::string> set_attributes(Op& op, const Attributes& attributes) {
  Reader reader(op, attributes);
  op.attributes(reader);
  std::vector<std::string> unknown;
  for (auto& [name, value] : attributes)
    if (!reader.known.count(name)) unknown.push_back(name);
  return unknown;
}

bool same_op(const Op& a, const Op& b) {
  if (std::string_view(a.type()) != b.type() || std::string_view(a.domain()) != b.domain()) return false;
  Attributes x = get_attributes(a), y = get_attributes(b);
  if (x.size() != y.size()) return false;
  for (auto i = x.begin(), j = y.begin(); i != x.end(); ++i, ++j)
    if (i->first != j->first || !equal(i->second, j->second)) return false;
  return true;
}

std::string to_string(const Attribute& attribute) {
  struct {
    std::string operator()(int64_t value) { return std::to_string(value); }
    std::string operator()(float value) {
      std::string text = fmt::format("{}", value);  // shortest form that reads back exactly
      return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(const std::string& value) {
      std::string text = "\"";
      for (char c : value) {
        if (c == '"' || c == '\\') text += '\\';
        if (c == '\n') text += "\\n";
        else text += c;
      }
      return text + "\"";
    }
    std::string operator()(const std::vector<int64_t>& value) { return list_text(value); }
    std::string operator()(const std::vector<float>& value) { return list_text(value); }
    std::string operator()(const std::vector<std::string>& value) { return list_text(value); }
    std::string operator()(const Tensor& value) {
      return std::string("tensor ") + name_of(value.dtype()) + to_string(value.dims());
    }
    std::string operator()(const std::shared_ptr<Graph>& value) {
      return value ? "graph '" + value->name + "'" : "no graph";
    }
  } visitor;
  return std::visit(visitor, attribute);
}

}  // namespace hone
