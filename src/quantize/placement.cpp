#include "quantize/placement.hpp"

#include <algorithm>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "graph/ops/fused/fused.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/shape/pad.hpp"
#include "quantize/names.hpp"

namespace hone {

namespace {

enum class Role {
  layer,     // worth int8 by itself
  follower,  // int8 when its neighbors are
  fp32,
};

struct Group {  // a node and the activation that a kernel fuses into it
  Node* head;
  Node* fused = nullptr;
  Role role = Role::fp32;
  std::string reason;  // why fp32
  bool int8 = false;
  const std::vector<Value*>& outputs() const { return (fused ? fused : head)->outputs(); }
};

bool is_one_of(const Node& node, std::initializer_list<const char*> types) {
  return std::any_of(types.begin(), types.end(), [&](const char* type) { return node.is(type); });
}

bool constant_f32(const Value* value) { return value && value->is_constant() && value->dtype() == DType::f32; }

bool computes_floats(const Node& node) {
  return std::any_of(node.outputs().begin(), node.outputs().end(), [](Value* v) { return is_float(v->dtype()); });
}

// Output elements are input elements, or lie between them, so that the input's scale serves the output.
bool keeps_scale(const Node& node) {
  if (const auto* resize = node.as<ops::Resize>())
    return resize->mode != "cubic" && resize->coordinate_transformation_mode != "tf_crop_and_resize";
  if (const auto* pad = node.as<ops::Pad>()) {
    // A constant other than 0 may lie outside of the range of x.
    const Value* fill = node.input(2);
    bool zero = !fill || (constant_f32(fill) && fill->constant().to_floats() == std::vector<float>{0});
    return pad->mode != "constant" || zero;
  }
  return node.has(Trait::scale_preserving) || node.has(Trait::view);
}

bool is_layer_type(const Node& node) { return is_one_of(node, {"Conv", "ConvTranspose", "Gemm", "MatMul"}); }

bool is_follower_type(const Node& node) {
  return keeps_scale(node) || node.has(Trait::activation) ||
         is_one_of(node, {"Add", "Sub", "Mul", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean",
                          "BatchNormalization", "PRelu", "Resize"});
}

std::string why_not_layer(const Node& node) {
  bool product = node.is("MatMul");
  if (!product && !constant_f32(node.input(1)) && !(node.is("Gemm") && !node.input(1)->is_constant()))
    return "its weights are not f32 constants";
  if (node.is("Conv") || node.is("ConvTranspose")) {
    const Value* bias = node.input(2);
    if (bias && !constant_f32(bias)) return "its bias is not an f32 constant";
  }
  for (const Value* input : node.inputs())
    if (input && input->dtype() != DType::f32)
      return fmt::format("input '{}' is {}, expected f32", input->name, name_of(input->dtype()));
  return activation_inputs(node).empty() ? "all its inputs are constant" : "";
}

std::string why_not_follower(const Node& node) {
  for (const Value* output : node.outputs())
    if (output->dtype() != DType::f32 && !(output->uses().empty()))
      return fmt::format("output '{}' is {}, expected f32", output->name, name_of(output->dtype()));
  auto inputs = activation_inputs(node);
  if (inputs.empty()) return "it has no f32 activation as input";
  if (keeps_scale(node) && !node.is("Concat") && inputs.size() != 1) return "it mixes several activations";
  return "";
}

class Placer {
 public:
  Placer(const Graph& graph, const QuantizeOptions& options, const std::vector<std::string>& original_names)
      : graph_(graph), ignored_(graph, options, original_names) {}

  Placement run() {
    make_groups();
    propagate();
    report();
    make_classes();
    return std::move(result_);
  }

 private:
  void make_groups() {
    std::set<const Node*> taken;
    for (Node* node : graph_.node_list()) {
      if (taken.count(node)) continue;
      Group group{.head = node};
      classify(group);
      if (group.role != Role::fp32) group.fused = fusable(*node);
      if (group.fused) taken.insert(group.fused);
      groups_.push_back(group);
    }
    for (Group& group : groups_) {
      group_of_[group.head] = &group;
      if (group.fused) group_of_[group.fused] = &group;
    }
  }

  void classify(Group& group) {
    const Node& node = *group.head;
    if (ignored_.contains(node)) {
      group.reason = "ignored on request";
    } else if (is_layer_type(node)) {
      group.reason = why_not_layer(node);
      if (group.reason.empty()) group.role = Role::layer;
    } else if (is_follower_type(node)) {
      group.reason = why_not_follower(node);
      if (group.reason.empty()) group.role = Role::follower;
    } else {
      group.reason = fmt::format("{} has no int8 form", node.op().type());
    }
  }

  // The activation after `node` when a kernel applies it to the result before storing it.
  Node* fusable(const Node& node) const {
    if (!is_layer_type(node) && !is_one_of(node, {"Add", "Sub", "Mul", "BatchNormalization"})) return nullptr;
    Value* output = node.output();
    if (graph_.use_count(output) != 1 || output->uses().size() != 1) return nullptr;
    Node* next = output->uses()[0].node;
    ops::FusedActivation activation;
    if (ignored_.contains(*next) || !ops::fusable_activation(*next, activation)) return nullptr;
    return next;
  }

  // Forward: who could be int8 because of where its inputs come from. Backward: whose result is wanted as int8.
  void propagate() {
    std::set<const Value*> available;
    for (const Group& group : groups_)
      if (group.role == Role::layer)
        for (size_t i : activation_inputs(*group.head)) available.insert(group.head->input(i));
    std::set<const Group*> eligible;
    for (const Group& group : groups_) {
      if (group.role == Role::fp32) continue;
      auto inputs = activation_inputs(*group.head);
      bool all = std::all_of(inputs.begin(), inputs.end(),
                             [&](size_t i) { return available.count(group.head->input(i)) > 0; });
      if (group.role == Role::follower && !all) continue;
      eligible.insert(&group);
      for (const Value* output : group.outputs()) available.insert(output);
    }
    for (auto it = groups_.rbegin(); it != groups_.rend(); ++it) {
      if (it->role == Role::layer) it->int8 = true;
      if (it->role != Role::follower) continue;
      if (!eligible.count(&*it)) {
        it->reason = "its inputs do not come from int8 nodes";
      } else {
        it->int8 = std::any_of(it->outputs().begin(), it->outputs().end(), [&](Value* v) { return wanted(v); });
        if (!it->int8) it->reason = "no int8 node uses its result";
      }
    }
  }

  // True when an int8 node takes the value as activation.
  bool wanted(const Value* value) const {
    return std::any_of(value->uses().begin(), value->uses().end(), [&](const Use& use) {
      const Group* group = group_of_.at(use.node);
      return group->int8 && group->head == use.node && is_activation_input(*use.node, use.index);
    });
  }

  void report() {
    for (Node* node : graph_.node_list()) {
      const Group& group = *group_of_.at(node);
      if (group.int8 && group.head == node && is_layer_type(*node) && constant_f32(node->input(1)))
        result_.layers.push_back(node);
      if (group.int8) result_.int8.insert(node);
      if (computes_floats(*node))
        result_.nodes.push_back({node->name, node->op().type(), group.int8, group.int8 ? "" : group.reason});
    }
  }

  // ---- scale classes ----

  struct Class {
    const Value* representative;
    std::vector<Value*> members;
  };

  void make_classes() {
    std::vector<Value*> order(graph_.inputs().begin(), graph_.inputs().end());
    for (Node* node : graph_.node_list()) order.insert(order.end(), node->outputs().begin(), node->outputs().end());
    std::erase_if(order, [&](Value* value) { return !wanted(value); });
    std::unordered_map<const Value*, int> rank;
    for (size_t i = 0; i < order.size(); ++i) {
      rank[order[i]] = static_cast<int>(i);
      classes_[order[i]] = std::make_shared<Class>(Class{order[i], {order[i]}});
    }
    share_scales();
    for (Value* value : order) {
      const Class& shared = *classes_.at(value);
      auto found = std::find_if(result_.classes.begin(), result_.classes.end(),
                                [&](const ScaleClass& c) { return c.representative == shared.representative; });
      int index = static_cast<int>(found - result_.classes.begin());
      if (found == result_.classes.end()) result_.classes.push_back({shared.representative, {}, true});
      result_.classes[static_cast<size_t>(index)].members.push_back(value);
      result_.classes[static_cast<size_t>(index)].signed_type &= only_second_factor(*value, shared);
      result_.class_of[value] = index;
    }
  }

  // Ops that copy elements tie their output to their input. A Concat ties an input to its output when nothing else
  // uses the input: otherwise the other user would lose resolution, and the Concat rescales that part instead.
  void share_scales() {
    for (const Group& group : groups_)
      if (group.int8 && keeps_scale(*group.head) && !group.head->is("Concat"))
        for (Value* output : group.outputs())
          if (classes_.count(output)) merge(group.head->input(activation_inputs(*group.head)[0]), output, true);
    for (const Group& group : groups_) {
      if (!group.int8 || !group.head->is("Concat")) continue;
      for (size_t i = 0; i < group.head->inputs().size(); ++i) {
        Value* input = group.head->input(i);
        if (constant_f32(input)) result_.constant_inputs.push_back({group.head, static_cast<int>(i)});
        else if (is_private(input, group.head)) merge(input, group.head->output(), false);
      }
    }
  }

  // True when members of the value's class are used by each other and by `user` only.
  bool is_private(const Value* value, const Node* user) const {
    const Class& shared = *classes_.at(value);
    return std::all_of(shared.members.begin(), shared.members.end(), [&](const Value* member) {
      if (graph_.is_output(member)) return false;
      return std::all_of(member->uses().begin(), member->uses().end(),
                         [&](const Use& use) { return use.node == user || stays_inside(use, shared); });
    });
  }

  // The use copies elements to another member of the class.
  bool stays_inside(const Use& use, const Class& shared) const {
    auto output = classes_.find(use.node->output());
    return keeps_scale(*use.node) && output != classes_.end() && output->second.get() == &shared;
  }

  void merge(const Value* input, const Value* output, bool range_of_input) {
    auto from = classes_.at(output), into = classes_.at(input);
    if (from == into) return;
    const Value* representative = (range_of_input ? into : from)->representative;
    into->members.insert(into->members.end(), from->members.begin(), from->members.end());
    into->representative = representative;
    for (Value* member : from->members) classes_[member] = into;
  }

  // The right factor of a matrix product is i8 in every integer kernel.
  bool only_second_factor(const Value& value, const Class& shared) const {
    return std::all_of(value.uses().begin(), value.uses().end(), [&](const Use& use) {
      return (use.index == 1 && is_one_of(*use.node, {"MatMul", "Gemm"})) || stays_inside(use, shared);
    });
  }

  const Graph& graph_;
  IgnoreList ignored_;
  std::list<Group> groups_;
  std::unordered_map<const Node*, const Group*> group_of_;
  std::unordered_map<const Value*, std::shared_ptr<Class>> classes_;
  Placement result_;
};

}  // namespace

std::vector<size_t> activation_inputs(const Node& node) {
  bool all = is_one_of(node, {"Add", "Sub", "Mul", "Concat", "MatMul"});
  size_t count = all ? node.inputs().size() : node.is("Gemm") ? 2 : 1;
  // Ops that copy elements may take several activations (Where); they are refused, not misread.
  if (!all && keeps_scale(node)) count = node.inputs().size();
  std::vector<size_t> inputs;
  for (size_t i = 0; i < std::min(count, node.inputs().size()); ++i) {
    const Value* value = node.input(i);
    if (value && !value->is_constant() && value->dtype() == DType::f32) inputs.push_back(i);
  }
  return inputs;
}

bool is_activation_input(const Node& node, int index) {
  auto inputs = activation_inputs(node);
  return std::find(inputs.begin(), inputs.end(), static_cast<size_t>(index)) != inputs.end();
}

int weight_axis(const Node& node) {
  const Value* weights = node.input(1);
  int rank = weights->constant().rank();
  if (node.is("Conv")) return 0;
  if (node.is("ConvTranspose")) return 1;
  if (const auto* gemm = node.as<ops::Gemm>()) return gemm->transB ? 0 : 1;
  return rank == 2 ? 1 : -1;
}

Placement place_quantizers(const Graph& graph, const QuantizeOptions& options,
                           const std::vector<std::string>& original_names) {
  return Placer(graph, options, original_names).run();
}

}  // namespace hone
