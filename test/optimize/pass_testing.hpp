#pragma once
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <unordered_map>

#include "base/error.hpp"
#include "graph/text.hpp"
#include "graph/verify.hpp"
#include "optimize/passes/passes.hpp"

namespace hone {

/// A graph as text that does not depend on the names of nodes and values: nodes are numbered in order, constants are
/// written by type where they are used, small integers with their values.
inline std::string canonical(const Graph& graph) {
  std::unordered_map<const Value*, std::string> names;
  auto name = [&](const Value* value) -> std::string {
    if (!value) return "_";
    if (!value->is_constant()) return names.count(value) ? names[value] : fmt::format("%{}", value->name);
    std::string text = to_string(value->type);
    if (!is_integer(value->dtype()) || value->constant().size() > 8) return text;
    for (int64_t number : value->constant().to_ints()) text += fmt::format(" {}", number);
    return text;
  };
  std::string text;
  int next = 0;
  for (auto& node : graph.nodes()) {
    std::string line;
    for (const Value* output : node->outputs()) {
      names[output] = fmt::format("%{}", next++);
      line += names[output] + " ";
    }
    line += "= " + std::string(node->op().type()) + "(";
    for (const Value* input : node->inputs()) line += name(input) + ", ";
    line += ")";
    auto defaults = get_attributes(*make_op(node->op().domain(), node->op().type()));
    for (auto& [key, value] : get_attributes(node->op()))
      if (!defaults.count(key) || to_string(defaults[key]) != to_string(value))
        line += " " + key + "=" + to_string(value);
    for (const Value* output : node->outputs()) line += " : " + to_string(output->type);
    text += line + "\n";
  }
  for (const GraphOutput& output : graph.outputs()) text += output.name + " = " + name(output.value) + "\n";
  return text;
}

/// Random inputs; each symbol is one size throughout, each unknown size 2.
inline std::vector<Tensor> random_inputs(const Graph& graph, unsigned seed) {
  std::mt19937 random(seed);
  std::map<std::string, int64_t> sizes;
  std::vector<Tensor> inputs;
  for (const Value* input : graph.inputs()) {
    Dims dims;
    for (const Dim& dim : input->shape().dims)
      dims.push_back(dim.known() ? dim.value
                     : dim.symbol.empty()
                         ? 2
                         : sizes.emplace(dim.symbol, 2 + static_cast<int64_t>(sizes.size())).first->second);
    Tensor tensor(DType::f32, dims);
    std::normal_distribution<float> normal(0, 2);
    for (float& value : tensor.mutable_data<float>()) value = normal(random);
    inputs.push_back(input->dtype() == DType::f32 ? tensor : tensor.cast(input->dtype()));
  }
  return inputs;
}

inline void expect_same_numbers(const Graph& before, const Graph& after, unsigned seed, double tolerance = 2e-5) {
  auto inputs = random_inputs(before, seed);
  auto want = evaluate(before, inputs), got = evaluate(after, inputs);
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(want[i].dims(), got[i].dims());
    ASSERT_EQ(want[i].dtype(), got[i].dtype());
    auto x = want[i].to_floats(), y = got[i].to_floats();
    double largest = 1e-6;
    for (float value : x) largest = std::max(largest, std::abs(static_cast<double>(value)));
    for (size_t k = 0; k < x.size(); ++k)
      ASSERT_NEAR(x[k], y[k], tolerance * largest) << "output " << i << " element " << k << " seed " << seed;
  }
}

/// `before` becomes `after` (statements between the braces, see text.hpp) by one run of the pass; a second run changes
/// nothing, the verifier is content and both compute the same.
inline void expect_pass(std::unique_ptr<Pass> pass, const std::string& before, const std::string& after) {
  Graph graph = parse_text("graph \"before\" {" + before + "}", "before");
  Graph original = graph.clone();
  Graph expected = parse_text("graph \"before\" {" + after + "}", "after");
  EXPECT_TRUE(pass->apply(graph)) << pass->name() << " did not fire on" << to_text(original, {.elide_above = 16});
  graph.infer();
  EXPECT_EQ(canonical(graph), canonical(expected)) << pass->name();
  EXPECT_NO_THROW(verify(graph)) << to_text(graph, {.elide_above = 16});
  std::string settled = to_text(graph);
  EXPECT_FALSE(pass->apply(graph)) << pass->name() << " is not idempotent" << to_text(graph, {.elide_above = 16});
  EXPECT_TRUE(to_text(graph) == settled);
  for (unsigned seed : {1u, 2u}) expect_same_numbers(original, graph, seed);
}

/// The pass leaves the graph alone.
inline void expect_unchanged(std::unique_ptr<Pass> pass, const std::string& text) {
  Graph graph = parse_text("graph \"before\" {" + text + "}", "before");
  std::string before = to_text(graph);
  EXPECT_FALSE(pass->apply(graph)) << pass->name() << " fired on" << text;
  EXPECT_TRUE(to_text(graph) == before) << to_text(graph, {.elide_above = 16});
}

}  // namespace hone
