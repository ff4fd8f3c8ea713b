#include <algorithm>
#include <cfloat>

#include "compile/expand/build.hpp"
#include "compile/expand/expand.hpp"
#include "graph/ops/reduce/reduction.hpp"

// rms_normalization(x, s) => x / sqrt(mean(x^2) + e) s, and likewise for other ops that are formulas over reductions.
namespace hone {

namespace {

int64_t number(const Attributes& attributes, const char* name, int64_t otherwise) {
  auto it = attributes.find(name);
  const auto* value = it == attributes.end() ? nullptr : std::get_if<int64_t>(&it->second);
  return value ? *value : otherwise;
}

Value* reduce(Builder& build, const char* op, Value* x, const std::vector<int64_t>& axes) {
  return build.make(op, {x, build.ints(axes)}, {{"keepdims", int64_t{1}}});
}

Value* rms_normalization(Builder& build, const Node& node) {
  Value *x = node.input(0), *scale = node.input(1);
  Attributes attributes = get_attributes(node.op());
  int64_t axis = number(attributes, "axis", -1), rank = x->shape().rank();
  std::vector<int64_t> axes;
  for (int64_t i = axis < 0 ? axis + rank : axis; i < rank; ++i) axes.push_back(i);
  Value* mean = reduce(build, "ReduceMean", build.make("Mul", {x, x}), axes);
  auto epsilon = attributes.find("epsilon");
  float added = epsilon == attributes.end() ? 1e-5f : std::get<float>(epsilon->second);
  Value* size = build.make("Sqrt", {build.make("Add", {mean, build.number(added)})});
  return build.make("Mul", {build.make("Div", {x, size}), scale});
}

Value* mean_variance_normalization(Builder& build, const Node& node) {
  Attributes attributes = get_attributes(node.op());
  auto given = attributes.find("axes");
  std::vector<int64_t> axes{0, 2, 3};
  if (given != attributes.end()) axes = std::get<std::vector<int64_t>>(given->second);
  Value* x = node.input(0);
  Value* apart = build.make("Sub", {x, reduce(build, "ReduceMean", x, axes)});
  Value* variance = reduce(build, "ReduceMean", build.make("Mul", {apart, apart}), axes);
  Value* deviation = build.make("Add", {build.make("Sqrt", {variance}), build.number(1e-9f)});
  return build.make("Div", {apart, deviation});
}

/// Lines of zeros stay zero.
Value* lp_normalization(Builder& build, const Node& node) {
  Attributes attributes = get_attributes(node.op());
  const char* norm = number(attributes, "p", 2) == 1 ? "ReduceL1" : "ReduceL2";
  Value* size = reduce(build, norm, node.input(0), {number(attributes, "axis", -1)});
  return build.make("Div", {node.input(0), build.make("Max", {size, build.number(FLT_MIN)})});
}

/// The root of the sum of squares, or the sum of magnitudes: a mean times the elements of a window.
Value* lp_pool(Builder& build, const Node& node) {
  Attributes attributes = get_attributes(node.op());
  int64_t p = number(attributes, "p", 2), count = 1;
  if (p > 2 || number(attributes, "ceil_mode", 0) != 0) return nullptr;
  for (int64_t size : std::get<std::vector<int64_t>>(attributes.at("kernel_shape"))) count *= size;
  attributes.erase("p");
  attributes["count_include_pad"] = int64_t{1};
  Value* x = node.input(0);
  Value* sum = build.make("AveragePool", {p == 1 ? build.make("Abs", {x}) : build.make("Mul", {x, x})}, attributes);
  sum = build.make("Mul", {sum, build.number(static_cast<float>(count))});
  return p == 1 ? sum : build.make("Sqrt", {sum});
}

/// Reductions of axes that are not neighbors, one stretch of neighbors after the other, the last first.
Value* split_reduction(Builder& build, const Node& node) {
  const auto* op = dynamic_cast<const ops::Reduction*>(&node.op());
  auto axes = op ? op->reduced_axes(node) : std::nullopt;
  if (!axes) return nullptr;
  Dims x = node.input(0)->shape().concrete();
  std::vector<std::vector<int64_t>> stretches;
  size_t open = x.size();  // the next axis of the stretch that grows
  for (size_t axis : *axes) {
    if (x[axis] == 1) continue;
    while (open < axis && x[open] == 1) ++open;
    if (stretches.empty() || open != axis) stretches.emplace_back();
    stretches.back().push_back(static_cast<int64_t>(axis));
    open = axis + 1;
  }
  static const struct {
    const char *op, *first, *then, *last;
  } steps[] = {{"ReduceSum", "ReduceSum", "ReduceSum", nullptr},
               {"ReduceMean", "ReduceMean", "ReduceMean", nullptr},
               {"ReduceMax", "ReduceMax", "ReduceMax", nullptr},
               {"ReduceMin", "ReduceMin", "ReduceMin", nullptr},
               {"ReduceL1", "ReduceL1", "ReduceSum", nullptr},
               {"ReduceL2", "ReduceSumSquare", "ReduceSum", "Sqrt"},
               {"ReduceSumSquare", "ReduceSumSquare", "ReduceSum", nullptr}};
  for (const auto& step : steps) {
    if (!node.is(step.op) || stretches.size() < 2) continue;
    Value* value = node.input(0);
    for (size_t i = stretches.size(); i-- > 0;)
      value = reduce(build, i + 1 == stretches.size() ? step.first : step.then, value, stretches[i]);
    if (step.last) value = build.make(step.last, {value});
    return build.reshape(value, node.output()->shape().concrete());
  }
  return nullptr;
}

Value* formula(Builder& build, const Node& node) {
  if (node.is("RMSNormalization"))
    return node.input(1)->dtype() == DType::f32 ? rms_normalization(build, node) : nullptr;
  if (node.is("MeanVarianceNormalization")) return mean_variance_normalization(build, node);
  if (node.is("LpNormalization")) return lp_normalization(build, node);
  if (node.is("LpPool")) return lp_pool(build, node);
  return split_reduction(build, node);
}

}  // namespace

void expand_formulas(Graph& graph) {
  bool changed = false;
  for (Node* node : graph.node_list()) {
    const Value* x = node->inputs().empty() ? nullptr : node->input(0);
    if (!x || x->dtype() != DType::f32 || !x->shape().is_static() || element_count(x->shape().concrete()) == 0 ||
        node->outputs().size() != 1 || *node->op().domain())
      continue;
    Builder build(graph, node);
    Value* result = formula(build, *node);
    if (!result) continue;
    graph.replace_uses(node->output(), result);
    changed = true;
  }
  if (changed) graph.remove_dead();
}

}  // namespace hone
