#include "quantize/placement.hpp"

#include <algorithm>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

namespace hone {

namespace {

struct Group {  // a node and those behind it that a kernel fuses into it
  Node* head;
  std::vector<Node*> tail;
  Int8Form role = Int8Form::none;
  std::string reason;  // why fp32
  bool int8 = false;
  const std::vector<Value*>& outputs() const { return (tail.empty() ? head : tail.back())->outputs(); }
};

bool computes_floats(const Node& node) {
  return std::any_of(node.outputs().begin(), node.outputs().end(), [](Value* v) { return is_float(v->dtype()); });
}

class Placer {
 public:
  Placer(const Graph& graph, const QuantizeOptions& options, const OriginalNames& original)
      : graph_(graph), ignored_(graph, options, original) {}

  QuantizerPlacement run() {
    make_groups();
    propagate();
    report();
    make_classes();
    return std::move(result_);
  }

 private:
  void make_groups() {
    std::set<const Node*> taken;
    auto apart = [&](const Node& node) { return ignored_.contains(node); };
    for (Node* node : graph_.node_list()) {
      if (taken.count(node)) continue;
      Group group{.head = node};
      classify(group);
      if (group.role != Int8Form::none) group.tail = fused_tail(graph_, *node, apart);
      taken.insert(group.tail.begin(), group.tail.end());
      groups_.push_back(group);
    }
    for (Group& group : groups_) {
      group_of_[group.head] = &group;
      for (const Node* node : group.tail) group_of_[node] = &group;
    }
  }

  void classify(Group& group) {
    const Node& node = *group.head;
    if (ignored_.contains(node)) {
      group.reason = "ignored on request";
      return;
    }
    Int8Verdict verdict = int8_form(node);
    group.role = verdict.form;
    group.reason = verdict.reason;
  }

  // Forward: who could be int8 because of where its inputs come from. Backward: whose result is wanted as int8.
  void propagate() {
    std::set<const Value*> available;
    for (const Group& group : groups_)
      if (group.role == Int8Form::layer)
        for (size_t i : activation_inputs(*group.head)) available.insert(group.head->input(i));
    std::set<const Group*> eligible;
    for (const Group& group : groups_) {
      if (group.role == Int8Form::none) continue;
      auto inputs = activation_inputs(*group.head);
      auto is_available = [&](size_t i) { return available.count(group.head->input(i)) > 0; };
      // To quantize one part before a Concat is cheaper than to dequantize the others.
      bool follows = group.head->is("Concat") ? std::any_of(inputs.begin(), inputs.end(), is_available)
                                              : std::all_of(inputs.begin(), inputs.end(), is_available);
      if (group.role == Int8Form::follower && !follows) continue;
      eligible.insert(&group);
      for (const Value* output : group.outputs()) available.insert(output);
    }
    for (auto it = groups_.rbegin(); it != groups_.rend(); ++it) {
      if (it->role == Int8Form::layer) it->int8 = true;
      if (it->role != Int8Form::follower) continue;
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
      if (group.int8 && group.head == node) add_unit(group);
      if (computes_floats(*node))
        result_.nodes.push_back({node->name, node->op().type(), group.int8, group.int8 ? "" : group.reason});
    }
  }

  // What accuracy control may turn back to fp32 as one.
  void add_unit(const Group& group) {
    if (!keeps_scale(*group.head)) result_.units.push_back(group.head);
    // The constants of a tail stay as they are: the kernel works in floats there.
    if (group.tail.empty() || !group.tail[0]->is("Add"))
      for (size_t i : constant_operands(*group.head))
        result_.constant_inputs.push_back({group.head, static_cast<int>(i)});
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
        if (!constant_f32(input) && is_private(input, group.head)) merge(input, group.head->output(), false);
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
      return (use.index == 1 && (use.node->is("MatMul") || use.node->is("Gemm"))) || stays_inside(use, shared);
    });
  }

  const Graph& graph_;
  IgnoreList ignored_;
  std::list<Group> groups_;
  std::unordered_map<const Node*, const Group*> group_of_;
  std::unordered_map<const Value*, std::shared_ptr<Class>> classes_;
  QuantizerPlacement result_;
};

}  // namespace

QuantizerPlacement place_quantizers(const Graph& graph, const QuantizeOptions& options,
                           const OriginalNames& original) {
  return Placer(graph, options, original).run();
}

}  // namespace hone
