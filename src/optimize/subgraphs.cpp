#include "optimize/subgraphs.hpp"

#include <algorithm>

#include "graph/ops/control/control.hpp"

namespace hone {

namespace {

bool fits(const Graph& body, const std::vector<ops::BodyInput>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value* value = body.inputs()[i];
    if (value->type != inputs[i].type || value->dims_value != inputs[i].dims_value) return false;
    if (inputs[i].constant && body.use_count(value) > 0) return false;
  }
  return true;
}

/// Removes captured values that no body uses, and those that are there twice. True when there were some.
bool drop_captures(Graph& graph, Node* node) {
  const ops::ControlOp& op = *ops::control_op(*node);
  size_t own = op.own_inputs(node->inputs().size()), captures = static_cast<size_t>(op.captures);
  std::vector<std::shared_ptr<Graph>> bodies = op.bodies();
  std::vector<bool> drop(captures, false);
  std::vector<size_t> same(captures);
  for (size_t i = 0; i < captures; ++i) {
    auto first = std::find(node->inputs().begin() + static_cast<std::ptrdiff_t>(own), node->inputs().end(),
                           node->input(own + i));
    same[i] = static_cast<size_t>(first - node->inputs().begin()) - own;
    drop[i] = same[i] != i || std::all_of(bodies.begin(), bodies.end(), [&](const auto& body) {
                size_t before = body->inputs().size() - captures;
                return body->use_count(body->inputs()[before + i]) == 0;
              });
  }
  if (std::find(drop.begin(), drop.end(), true) == drop.end()) return false;
  auto made = node->op().clone();
  auto& changed = dynamic_cast<ops::ControlOp&>(*made);
  for (size_t b = 0; b < bodies.size(); ++b) {
    auto body = std::make_shared<Graph>(bodies[b]->clone());
    size_t before = body->inputs().size() - captures;
    std::vector<Value*> inputs(body->inputs().begin() + static_cast<std::ptrdiff_t>(before), body->inputs().end());
    for (size_t i = 0; i < captures; ++i) body->replace_uses(inputs[i], inputs[same[i]]);
    for (size_t i = 0; i < captures; ++i)
      if (drop[i] && body->use_count(inputs[i]) == 0) body->erase(inputs[i]);
    changed.set_body(b, std::move(body));
  }
  std::vector<Value*> kept(node->inputs().begin(), node->inputs().begin() + static_cast<std::ptrdiff_t>(own));
  for (size_t i = 0; i < captures; ++i)
    if (!drop[i]) kept.push_back(node->input(own + i));
  changed.captures = static_cast<int64_t>(kept.size() - own);
  graph.replace_op(node, std::move(made));
  graph.set_inputs(node, std::move(kept));
  return true;
}

}  // namespace

/// The body with what is known of its inputs, optimized; nullptr when it needs nothing.
std::shared_ptr<Graph> OptimizeSubgraphs::improved(const Node& node, size_t index) const {
  const ops::ControlOp& op = *ops::control_op(node);
  std::shared_ptr<Graph> body = op.bodies()[index];
  std::vector<ops::BodyInput> inputs = op.body_inputs(InferContext(node), index);
  bool typed = fits(*body, inputs);
  if (typed && settled_.count(body.get())) return nullptr;
  auto made = std::make_shared<Graph>(body->clone());
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value* value = made->inputs()[i];
    made->set_input_type(value, inputs[i].type);
    value->dims_value = inputs[i].dims_value;
    if (inputs[i].constant && made->use_count(value) > 0)
      made->replace_uses(value, made->add_constant(value->name, *inputs[i].constant));
  }
  if (!typed) made->infer();
  bool changed = optimize_body_(*made) || !typed;
  settled_.emplace(changed ? made.get() : body.get(), changed ? made : body);
  return changed ? made : nullptr;
}

bool OptimizeSubgraphs::apply(Graph& graph) const {
  bool changed = false;
  for (Node* node : graph.node_list()) {
    if (!ops::control_op(*node)) continue;
    size_t count = ops::control_op(*node)->bodies().size();
    for (size_t i = 0; i < count; ++i) {
      std::shared_ptr<Graph> body = improved(*node, i);
      if (!body) continue;
      auto made = node->op().clone();
      dynamic_cast<ops::ControlOp&>(*made).set_body(i, std::move(body));
      graph.replace_op(node, std::move(made));
      changed = true;
    }
    changed |= drop_captures(graph, node);
    // Nodes after this one, and their bodies, see its new types.
    if (changed) infer_node(*node);
  }
  return changed;
}

}  // namespace hone
