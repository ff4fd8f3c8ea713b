#include "graph/text_scanner.hpp"

#include <unordered_set>

#include "graph/text.hpp"

namespace hone {

namespace {

using text_form::DataParser;
using text_form::Scanner;

constexpr int max_depth = 16;  // graphs inside attributes

class GraphParser : public DataParser {
 public:
  using DataParser::DataParser;

  Graph graph() {
    if (++depth_ > max_depth) fail_at(mark(), "graphs are nested too deeply");
    expect("graph");
    Graph graph;
    graph.name = quoted("the graph's name");
    expect("{");
    std::unordered_set<std::string> node_names;
    while (!accept("}")) {
      if (peek() == '%')
        node(graph, node_names);
      else
        declaration(graph);
    }
    --depth_;
    return graph;
  }

 private:
  void declaration(Graph& graph) {
    size_t begin = mark();
    std::string_view keyword = run(in_word);
    if (keyword == "metadata") {
      std::string key = quoted("a key");
      expect("=");
      if (!graph.metadata.emplace(key, quoted("a text")).second)
        fail_at(begin, fmt::format("metadata '{}' is given twice", key));
    } else if (keyword == "input") {
      std::string name = new_name(graph);
      expect(":");
      Type declared = declared_type();
      graph.add_input(name, declared.dtype, declared.shape);
    } else if (keyword == "const") {
      std::string name = new_name(graph);
      expect(":");
      Type declared = declared_type();
      expect("=");
      graph.add_constant(name, data(declared));
    } else if (keyword == "output") {
      output(graph, begin);
    } else {
      fail_at(begin, fmt::format("expected metadata, input, const, output, a node (%name = ...) or '}}', found {}",
                                 keyword.empty() ? std::string(1, peek()) : fmt::format("'{}'", keyword)));
    }
  }

  void output(Graph& graph, size_t begin) {
    std::string name;
    if (peek() == '"') {
      name = quoted("the output's name");
      expect("=");
    }
    Value* value = used_value(graph);
    if (name.empty()) name = value->name;
    for (const GraphOutput& other : graph.outputs())
      if (other.name == name) fail_at(begin, fmt::format("output '{}' is given twice", name));
    graph.add_output(name, value);
  }

  std::string name() {
    expect("%");
    size_t begin = mark();
    std::string result = peek() == '"' ? quoted("a name") : std::string(run(in_name));
    if (result.empty()) fail_at(begin, "expected a name after '%'");
    return result;
  }

  std::string new_name(const Graph& graph) {
    size_t begin = mark();
    std::string result = name();
    if (graph.find_value(result)) fail_at(begin, fmt::format("value '{}' is defined twice", result));
    return result;
  }

  Value* used_value(const Graph& graph) {
    size_t begin = mark();
    std::string wanted = name();
    Value* value = graph.find_value(wanted);
    if (!value) fail_at(begin, fmt::format("value '{}' is not defined before this line", wanted));
    return value;
  }

  std::unique_ptr<Op> op() {
    size_t begin = mark();
    std::string_view word = run(in_op), domain, type = word;
    if (word.empty()) expected("an op such as Conv");
    if (size_t dot = word.rfind('.'); dot != std::string_view::npos) {
      domain = word.substr(0, dot);
      type = word.substr(dot + 1);
    }
    if (domain == "hone" && type == "Fused")
      fail_at(begin, "hone.Fused is made by compile and cannot be read", "read the graph as it was before compile");
    auto made = make_op(domain, type);
    if (made) return made;
    std::string near;
    for (const std::string& candidate : similar_ops(type))
      near += (near.empty() ? "the nearest is " : ", ") + candidate;
    fail_at(begin, fmt::format("op '{}' is not known", word), near);
  }

  std::vector<Value*> arguments(const Graph& graph) {
    std::vector<Value*> values;
    expect("(");
    if (accept(")")) return values;
    do values.push_back(accept("_") ? nullptr : used_value(graph));
    while (accept(","));
    expect(")");
    return values;
  }

  Attribute number_attribute() {
    size_t begin = mark();
    std::string_view token = run(in_number);
    bool integer = !token.empty();
    for (size_t i = 0; i < token.size(); ++i)
      integer &= std::isdigit(static_cast<unsigned char>(token[i])) ||
                 (i == 0 && token.size() > 1 && std::strchr("+-", token[i]));
    DataParser one(token, "");
    try {
      if (integer) return one.number<int64_t>();
      return one.number<float>();
    } catch (const Error& error) {
      fail_at(begin, token.empty() ? "expected a number, a list, a quoted text or a tensor" : error.problem());
    }
  }

  Attribute list_attribute() {
    expect("[");
    if (accept("]")) return std::vector<int64_t>();
    if (peek() == '"') {
      std::vector<std::string> texts;
      do texts.push_back(quoted("a text"));
      while (accept(","));
      expect("]");
      return texts;
    }
    std::vector<Attribute> numbers;
    bool integers = true;
    do {
      numbers.push_back(number_attribute());
      integers &= std::holds_alternative<int64_t>(numbers.back());
    } while (accept(","));
    expect("]");
    std::vector<int64_t> ints;
    std::vector<float> floats;
    for (const Attribute& number : numbers) {
      if (integers)
        ints.push_back(std::get<int64_t>(number));
      else if (auto* whole = std::get_if<int64_t>(&number))
        floats.push_back(static_cast<float>(*whole));
      else
        floats.push_back(std::get<float>(number));
    }
    if (integers) return ints;
    return floats;
  }

  Attribute attribute() {
    if (peek() == '"') return quoted("a text");
    if (peek() == '[') return list_attribute();
    Scanner ahead = *this;
    std::string_view word = ahead.run(in_number);
    if (word == "graph") return std::make_shared<Graph>(graph());
    if (dtype_from_name(word) == DType::undefined) return number_attribute();
    Type declared = declared_type();
    return data(declared);
  }

  Attributes attributes() {
    Attributes result;
    if (!accept("{")) return result;
    if (accept("}")) return result;
    do {
      size_t begin = mark();
      std::string key(run(in_word));
      if (key.empty()) expected("an attribute's name");
      expect("=");
      if (!result.emplace(key, attribute()).second) fail_at(begin, fmt::format("attribute '{}' is given twice", key));
    } while (accept(","));
    expect("}");
    return result;
  }

  void node(Graph& graph, std::unordered_set<std::string>& node_names) {
    size_t begin = mark();
    std::vector<std::string> names;
    std::unordered_set<std::string> own;
    do {
      names.push_back(new_name(graph));
      if (!own.insert(names.back()).second) fail_at(begin, fmt::format("value '{}' is defined twice", names.back()));
    } while (accept(","));
    expect("=");
    std::unique_ptr<Op> made = op();
    std::vector<Value*> inputs = arguments(graph);
    Attributes given = attributes();
    std::string node_name = peek() == '"' ? quoted("the node's name") : names[0];
    if (node_name.empty() || !node_names.insert(node_name).second)
      fail_at(begin, fmt::format("node name '{}' is {}", node_name, node_name.empty() ? "empty" : "used twice"));
    std::vector<Type> types;
    if (accept(":")) {
      do types.push_back(type());
      while (accept(","));
    }
    if (!types.empty() && types.size() != names.size())
      fail_at(begin, fmt::format("has {} outputs but {} types", names.size(), types.size()));
    guarded(begin, [&] {
      auto unknown = set_attributes(*made, given);
      if (!unknown.empty()) throw Error(made->type(), "has no attribute '" + unknown[0] + "'");
      Node* node = graph.add_untyped(std::move(made), std::move(inputs), node_name, static_cast<int>(names.size()));
      for (size_t i = 0; i < names.size(); ++i) {
        // The names that the outputs got when they were made may be wanted for each other.
        Value* clash = graph.find_value(names[i]);
        if (clash && clash != node->output(i)) graph.rename(clash, graph.unique_name(names[i]));
        graph.rename(node->output(i), names[i]);
      }
      infer_node(*node);
      for (size_t i = 0; i < types.size(); ++i)
        if (types[i] != node->output(i)->type)
          throw Error(node->place(), fmt::format("output '{}' is {}, the text says {}", names[i],
                                                 to_string(node->output(i)->type), to_string(types[i])));
    });
  }

  /// Errors of ops get the line number.
  template <class F>
  void guarded(size_t begin, F body) {
    std::string problem;
    try {
      return body();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    fail_at(begin, problem);
  }

  int depth_ = 0;
};

}  // namespace

Graph parse_text(std::string_view text, std::string_view name) {
  GraphParser parser(text, name);
  Graph graph = parser.graph();
  if (!parser.at_end()) parser.expected("the end of the text after '}'");
  return graph;
}

}  // namespace hone
