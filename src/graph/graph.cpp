#include "graph/graph.hpp"

#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "graph/verify.hpp"

namespace hone {

struct Graph::Store {
  std::unordered_map<std::string, std::unique_ptr<Value>> values;  // by name
  std::unordered_map<std::string, int> name_serial;                // next suffix to try for a base name
  std::unordered_set<std::string> node_names;
};

Graph::Graph() : store_(new Store) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

std::string Node::place() const {
  std::string type = op_->type();
  if (!type.empty()) type[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(type[0])));
  return type + " '" + name + "'";
}

// ---- names and values ----

std::string Graph::unique_name(const std::string& wanted) {
  std::string base = wanted.empty() ? "value" : wanted;
  auto taken = [&](const std::string& candidate) {
    return store_->values.count(candidate) || store_->node_names.count(candidate);
  };
  if (!taken(base)) return base;
  int& serial = store_->name_serial[base];
  std::string candidate;
  do {
    candidate = base + "_" + std::to_string(++serial);
  } while (taken(candidate));
  return candidate;
}

Value* Graph::new_value(const std::string& name) {
  std::string base = name.empty() ? "value" : name, unique = base;
  int* serial = nullptr;
  while (store_->values.count(unique)) {
    if (!serial) serial = &store_->name_serial[base];
    unique = base + "_" + std::to_string(++*serial);
  }
  auto value = std::make_unique<Value>();
  value->name = unique;
  Value* raw = value.get();
  store_->values.emplace(unique, std::move(value));
  return raw;
}

Value* Graph::add_input(const std::string& input_name, DType dtype, Shape shape) {
  if (has_huge_size(shape)) throw_huge_size("input '" + input_name + "'", shape);
  Value* value = new_value(input_name.empty() ? "input" : input_name);
  value->is_input_ = true;
  value->type = {dtype, std::move(shape)};
  inputs_.push_back(value);
  return value;
}

Value* Graph::add_constant(const std::string& constant_name, Tensor tensor) {
  Value* value = new_value(constant_name.empty() ? "constant" : constant_name);
  set_constant(value, std::move(tensor));
  return value;
}

void Graph::set_constant(Value* value, Tensor tensor) {
  if (!tensor.defined()) throw Error("constant '" + value->name + "'", "has no data");
  if (value->producer_ || value->is_input_) throw Error("value '" + value->name + "'", "is not a constant");
  value->type = {tensor.dtype(), Shape(tensor.dims())};
  value->dims_value.reset();
  if (tensor.dtype() == DType::i64 && tensor.rank() <= 1 && tensor.size() <= 64) {
    std::vector<Dim> known;
    for (int64_t number : tensor.data<int64_t>()) known.emplace_back(number);
    // A negative number is a legal value but not a size; a Dim cannot say it.
    if (std::all_of(known.begin(), known.end(), [](const Dim& dim) { return dim.known(); })) value->dims_value = known;
  }
  value->constant_ = std::move(tensor);
}

void Graph::rename(Value* value, const std::string& new_name) {
  if (value->name == new_name) return;
  auto handle = store_->values.extract(value->name);
  handle.key() = store_->values.count(new_name) ? unique_name(new_name) : new_name;
  value->name = handle.key();
  store_->values.insert(std::move(handle));
}

// ---- nodes ----

void Graph::add_use(Value* value, Node* node, size_t index) {
  if (value) value->uses_.push_back({node, static_cast<int>(index)});
}

void Graph::remove_use(Value* value, Node* node, size_t index) {
  if (!value) return;
  auto& uses = value->uses_;
  auto found = std::find_if(uses.begin(), uses.end(),
                            [&](const Use& use) { return use.node == node && use.index == static_cast<int>(index); });
  if (found != uses.end()) uses.erase(found);
}

Node* Graph::create(std::list<std::unique_ptr<Node>>::iterator position, std::unique_ptr<Op> op,
                    std::vector<Value*> inputs, const std::string& node_name, int outputs) {
  if (!op) throw Error("graph '" + name + "'", "a node needs an op");
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  std::string base = node_name.empty() ? op->type() : node_name;
  std::string unique = base;
  while (!store_->node_names.insert(unique).second) unique = base + "_" + std::to_string(++store_->name_serial[base]);
  node->name = unique;
  node->op_ = std::move(op);
  node->position_ = nodes_.insert(position, std::move(owned));
  set_inputs(node, std::move(inputs));
  for (int i = 0; i < outputs; ++i) {
    Value* value = new_value(outputs == 1 ? unique : unique + ":" + std::to_string(i));
    value->producer_ = node;
    value->output_index_ = i;
    node->outputs_.push_back(value);
  }
  return node;
}

Node* Graph::add_untyped(std::unique_ptr<Op> op, std::vector<Value*> inputs, const std::string& node_name,
                         int outputs) {
  return create(nodes_.end(), std::move(op), std::move(inputs), node_name, outputs);
}

Node* Graph::add(std::unique_ptr<Op> op, std::vector<Value*> inputs, const std::string& node_name, int outputs) {
  Node* node = add_untyped(std::move(op), std::move(inputs), node_name, outputs);
  infer_node(*node);
  return node;
}

Node* Graph::insert_before(Node* position, std::unique_ptr<Op> op, std::vector<Value*> inputs,
                           const std::string& node_name, int outputs) {
  Node* node = create(position->position_, std::move(op), std::move(inputs), node_name, outputs);
  infer_node(*node);
  return node;
}

void Graph::add_output(const std::string& output_name, Value* value) {
  outputs_.push_back({output_name.empty() ? value->name : output_name, value});
}

// ---- editing ----

void Graph::set_input(Node* node, size_t index, Value* value) {
  if (index >= node->inputs_.size()) node->inputs_.resize(index + 1, nullptr);
  remove_use(node->inputs_[index], node, index);
  node->inputs_[index] = value;
  add_use(value, node, index);
}

void Graph::set_inputs(Node* node, std::vector<Value*> values) {
  for (size_t i = 0; i < node->inputs_.size(); ++i) remove_use(node->inputs_[i], node, i);
  while (!values.empty() && values.back() == nullptr) values.pop_back();
  node->inputs_ = std::move(values);
  for (size_t i = 0; i < node->inputs_.size(); ++i) add_use(node->inputs_[i], node, i);
}

void Graph::replace_op(Node* node, std::unique_ptr<Op> op) { node->op_ = std::move(op); }

void Graph::replace_uses(Value* from, Value* to) { replace_uses_except(from, to, nullptr); }

void Graph::replace_uses_except(Value* from, Value* to, const Node* except) {
  if (from == to) return;
  for (const Use& use : std::vector<Use>(from->uses_))
    if (use.node != except) set_input(use.node, static_cast<size_t>(use.index), to);
  for (GraphOutput& output : outputs_)
    if (output.value == from) output.value = to;
}

void Graph::set_input_type(Value* input, Type type) {
  if (has_huge_size(type.shape)) throw_huge_size("input '" + input->name + "'", type.shape);
  input->type = std::move(type);
}

void Graph::set_output(size_t index, Value* value) { outputs_.at(index).value = value; }

void Graph::erase(Node* node) {
  for (Value* output : node->outputs_)
    if (use_count(output) > 0)
      throw Error(node->place(), "cannot be removed: its output '" + output->name + "' is used");
  set_inputs(node, {});
  for (Value* output : node->outputs_) store_->values.erase(output->name);
  store_->node_names.erase(node->name);
  nodes_.erase(node->position_);
}

void Graph::erase(Value* value) {
  if (use_count(value) > 0 || value->producer_) throw Error("value '" + value->name + "'", "is in use");
  std::erase(inputs_, value);
  store_->values.erase(value->name);
}

int Graph::remove_dead() {
  int removed = 0;
  for (auto it = nodes_.end(); it != nodes_.begin();) {
    Node* node = std::prev(it)->get();
    bool live = std::any_of(node->outputs_.begin(), node->outputs_.end(), [&](Value* v) { return use_count(v) > 0; });
    if (live) {
      --it;
    } else {
      erase(node);  // `it` stays valid: a list erases only the element before it
      ++removed;
    }
  }
  for (Value* constant : constants())
    if (use_count(constant) == 0) {
      store_->values.erase(constant->name);
      ++removed;
    }
  return removed;
}

void Graph::sort() {
  std::unordered_map<const Node*, int> waiting;
  std::list<std::unique_ptr<Node>> sorted;
  auto ready = [&](const Node* node) {
    auto it = waiting.find(node);
    return it == waiting.end() || it->second == 0;
  };
  for (auto& node : nodes_)
    for (Value* input : node->inputs_)
      if (input && input->producer_) ++waiting[node.get()];
  std::vector<Node*> queue;
  for (auto& node : nodes_)
    if (ready(node.get())) queue.push_back(node.get());
  // Kahn's algorithm, first come first served: keeps an order that is already right.
  for (size_t next = 0; next < queue.size(); ++next) {
    Node* node = queue[next];
    for (Value* output : node->outputs_)
      for (const Use& use : output->uses_)
        if (--waiting[use.node] == 0) queue.push_back(use.node);
  }
  if (queue.size() != nodes_.size()) {
    std::string names;
    int listed = 0;
    std::unordered_set<Node*> done(queue.begin(), queue.end());
    for (auto& node : nodes_)
      if (!done.count(node.get()) && listed++ < 5) names += (names.empty() ? "" : ", ") + node->place();
    throw Error("graph '" + name + "'", "has a cycle through " + names, "the file is broken; export the model again");
  }
  bool in_order = std::equal(queue.begin(), queue.end(), nodes_.begin(), [](Node* a, auto& b) { return a == b.get(); });
  if (in_order) return;
  for (Node* node : queue) {
    auto position = node->position_;
    sorted.splice(sorted.end(), nodes_, position);
  }
  nodes_ = std::move(sorted);
  for (auto it = nodes_.begin(); it != nodes_.end(); ++it) (*it)->position_ = it;
}

void Graph::infer() {
  for (auto& node : nodes_) infer_node(*node);
}

// ---- reading ----

std::vector<Node*> Graph::node_list() const {
  std::vector<Node*> list;
  list.reserve(nodes_.size());
  for (auto& node : nodes_) list.push_back(node.get());
  return list;
}

std::vector<Value*> Graph::constants() const {
  std::vector<Value*> list;
  for (auto& [key, value] : store_->values)
    if (value->is_constant()) list.push_back(value.get());
  std::sort(list.begin(), list.end(), [](Value* a, Value* b) { return a->name < b->name; });
  return list;
}

Value* Graph::find_value(std::string_view wanted) const {
  auto it = store_->values.find(std::string(wanted));
  return it == store_->values.end() ? nullptr : it->second.get();
}

Node* Graph::find_node(std::string_view wanted) const {
  for (auto& node : nodes_)
    if (node->name == wanted) return node.get();
  return nullptr;
}

bool Graph::is_output(const Value* value) const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [&](const GraphOutput& output) { return output.value == value; });
}

size_t Graph::use_count(const Value* value) const {
  size_t count = value->uses_.size();
  for (const GraphOutput& output : outputs_) count += output.value == value;
  return count;
}

Graph Graph::clone() const {
  Graph copy;
  copy.name = name;
  copy.metadata = metadata;
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  auto make = [&](const Value* value) {
    Value* twin_value = copy.new_value(value->name);
    twin_value->type = value->type;
    twin_value->dims_value = value->dims_value;
    twin_value->is_input_ = value->is_input_;
    twin_value->constant_ = value->constant_;
    twin[value] = twin_value;
    return twin_value;
  };
  for (const Value* input : inputs_) copy.inputs_.push_back(make(input));
  for (auto& [key, value] : store_->values)
    if (value->is_constant()) make(value.get());
  for (auto& node : nodes_) {
    std::vector<Value*> inputs;
    for (Value* input : node->inputs_) inputs.push_back(twin.at(input));
    Node* twin_node = copy.create(copy.nodes_.end(), node->op_->clone(), std::move(inputs), node->name, 0);
    for (const Value* output : node->outputs_) {
      Value* twin_value = make(output);
      twin_value->producer_ = twin_node;
      twin_value->output_index_ = output->output_index_;
      twin_node->outputs_.push_back(twin_value);
    }
  }
  for (const GraphOutput& output : outputs_) copy.outputs_.push_back({output.name, twin.at(output.value)});
  return copy;
}

}  // namespace hone
