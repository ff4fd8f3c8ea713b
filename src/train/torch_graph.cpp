#include "train/torch_graph.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"

namespace hone {

namespace {

bool name_matches(const std::string& pattern, const std::string& name) {
  if (!pattern.empty() && pattern.back() == '*')
    return name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  return pattern == name;
}

bool learnable_type(const Value* value) { return value->dtype() == DType::f32 || value->dtype() == DType::f64; }

/// The constant behind `value`, looking through ops that only move its elements.
const Value* constant_source(const Value* value) {
  while (value && !value->is_constant()) {
    const Node* node = value->producer();
    bool moves = node && (node->is("Transpose") || node->is("Identity") || node->is("Reshape") || node->is("Flatten") ||
                          node->is("Squeeze") || node->is("Unsqueeze"));
    if (!moves) return nullptr;
    value = node->input(0);
  }
  return value;
}

/// An Add whose other operand is a product, so that its constant is a bias.
bool adds_bias(const Node& node) {
  if (!node.is("Add")) return false;
  for (const Value* input : node.inputs())
    if (input->producer() && (input->producer()->is("MatMul") || input->producer()->is("Conv") ||
                              input->producer()->is("ConvTranspose") || input->producer()->is("Gemm")))
      return true;
  return false;
}

std::string unknown_ops(const Graph& graph) {
  std::vector<std::string> places;
  for (auto& node : graph.nodes())
    if (!torch_ops::find(node->op().domain(), node->op().type())) places.push_back(node->place());
  std::string more = places.size() > 5 ? fmt::format(" and {} more", places.size() - 5) : "";
  if (places.size() > 5) places.resize(5);
  return fmt::format("{}{}", fmt::join(places, ", "), more);
}

}  // namespace

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) { return name_matches(p, name); });
}

TorchGraph::TorchGraph(const Graph& graph, const GraphModuleOptions& options)
    : graph_(graph.clone()),
      channels_last_(options.channels_last),
      generator_(at::detail::createCPUGenerator(options.seed)) {
  for (auto& node : graph_.nodes())
    if (!torch_ops::find(node->op().domain(), node->op().type()))
      throw Error(node->place(),
                  fmt::format("the trainer has no op {}{}{}", node->op().domain(), *node->op().domain() ? "." : "",
                              node->op().type()),
                  "train the graph before quantization and deployment passes, or simplify it; ops without training: " +
                      unknown_ops(graph_));
  for (const Value* input : graph_.inputs()) slot(input);
  Roles roles = find_roles(options.freeze);
  add_constants(roles);
  add_steps(roles);
  find_dead_slots();
}

int TorchGraph::slot(const Value* value) {
  if (!value) return -1;
  auto [it, inserted] = slots_.emplace(value, static_cast<int>(values_.size()));
  if (inserted) values_.emplace_back();
  return it->second;
}

TorchGraph::Roles TorchGraph::find_roles(const std::vector<std::string>& freeze) const {
  Roles roles;
  for (auto& node : graph_.nodes()) {
    const torch_ops::Entry* entry = torch_ops::find(node->op().domain(), node->op().type());
    auto mark = [&](size_t index, Role role) {
      const Value* value = node->input(index) ? constant_source(node->input(index)) : nullptr;
      if (value && learnable_type(value)) roles.emplace(value, role);
    };
    for (int index : entry->buffers) mark(static_cast<size_t>(index), Role::buffer);
    for (int index : entry->parameters) mark(static_cast<size_t>(index), Role::parameter);
    if (adds_bias(*node))
      for (size_t index : {0, 1}) mark(index, Role::parameter);
  }
  for (const std::string& pattern : freeze) {
    bool found = false;
    for (auto& [value, role] : roles)
      if (name_matches(pattern, value->name)) role = Role::fixed, found = true;
    if (!found)
      throw Error("freeze '" + pattern + "'", "no trainable constant of the graph has this name",
                  "names are those of the weights; a trailing * matches a beginning");
  }
  return roles;
}

void TorchGraph::add_constants(const Roles& roles) {
  // Graph order, so that names, random numbers and files do not depend on hashing.
  for (auto& node : graph_.nodes()) {
    for (const Value* value : node->inputs()) {
      if (!value || !value->is_constant() || slots_.count(value)) continue;
      at::Tensor tensor = torch_ops::to_torch(value->constant(), "constant '" + value->name + "'");
      if (channels_last_ && tensor.dim() == 4 && tensor.is_floating_point())
        tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
      auto it = roles.find(value);
      Role role = it == roles.end() ? Role::fixed : it->second;
      if (role == Role::parameter) {
        tensor.requires_grad_(true);
        parameters_.push_back({value->name, tensor, tensor.dim() > 1});
      } else if (role == Role::buffer) {
        buffers_.push_back({value->name, tensor, false});
      }
      values_[static_cast<size_t>(slot(value))] = tensor;
    }
  }
  for (const GraphOutput& output : graph_.outputs())
    if (output.value->is_constant() && !slots_.count(output.value))
      values_[static_cast<size_t>(slot(output.value))] =
          torch_ops::to_torch(output.value->constant(), "output '" + output.name + "'");
}

/// True when nobody but `node` reads its first input and the gradient of the producer does not need it either.
bool TorchGraph::safe_to_overwrite(const Node& node) const {
  const Value* input = node.input(0);
  const Node* producer = input ? input->producer() : nullptr;
  if (!producer || graph_.use_count(input) != 1) return false;
  return !torch_ops::find(producer->op().domain(), producer->op().type())->gradient_needs_output;
}

/// The Clip (of constant bounds) or Relu that alone reads the result of a batch normalization: one step does both.
const Node* TorchGraph::fused_clip(const Node& node, Step& step) const {
  step.low = -std::numeric_limits<float>::infinity();
  step.high = std::numeric_limits<float>::infinity();
  const Value* output = node.output();
  if (!node.is("BatchNormalization") || output->dtype() != DType::f32 || graph_.use_count(output) != 1 ||
      output->uses().empty())
    return nullptr;
  const Node* next = output->uses()[0].node;
  if (next->is("Relu")) {
    step.low = 0;
    return next;
  }
  if (!next->is("Clip") || output->uses()[0].index != 0) return nullptr;
  for (size_t i : {1, 2})
    if (const Value* bound = next->input(i); bound && (!bound->is_constant() || bound->constant().size() != 1))
      return nullptr;
  if (next->input(1)) step.low = next->input(1)->constant().to_floats()[0];
  if (next->input(2)) step.high = next->input(2)->constant().to_floats()[0];
  return next;
}

void TorchGraph::add_steps(const Roles& roles) {
  std::unordered_set<const Node*> fused;
  for (auto& node : graph_.nodes()) {
    if (fused.count(node.get())) continue;
    Step step;
    step.node = node.get();
    step.entry = torch_ops::find(node->op().domain(), node->op().type());
    step.attributes = get_attributes(node->op());
    for (const Value* input : node->inputs()) step.inputs.push_back(slot(input));
    const Node* clip = fused_clip(*node, step);
    if (clip) fused.insert(clip);
    for (const Value* output : (clip ? clip : node.get())->outputs()) step.outputs.push_back(slot(output));
    step.may_overwrite = safe_to_overwrite(*node);
    if (step.entry->buffers.size() > 0) {
      auto it = roles.find(node->input(static_cast<size_t>(*step.entry->buffers.begin())));
      step.frozen_statistics = it == roles.end() || it->second != Role::buffer;
    }
    steps_.push_back(std::move(step));
  }
}

void TorchGraph::find_dead_slots() {
  std::unordered_map<int, size_t> last;
  for (size_t i = 0; i < steps_.size(); ++i) {
    for (int input : steps_[i].inputs) last[input] = i;
    for (int output : steps_[i].outputs) last[output] = i;
  }
  std::unordered_map<int, bool> keep{{-1, true}};
  for (auto& [value, index] : slots_)
    if (value->is_constant() || graph_.is_output(value)) keep[index] = true;
  for (auto& [index, step] : last)
    if (!keep.count(index)) steps_[step].dead.push_back(index);
}

std::vector<at::Tensor> TorchGraph::forward(const std::vector<at::Tensor>& inputs, bool training) {
  return run(inputs, training, {}, 0);
}

std::vector<at::Tensor> TorchGraph::forward(const std::vector<at::Tensor>& inputs, const BatchPart& part) {
  generator_.set_current_seed(part.seed);
  return run(inputs, true, part, inputs.empty() || inputs[0].dim() == 0 ? 0 : inputs[0].size(0));
}

std::vector<at::Tensor> TorchGraph::run(const std::vector<at::Tensor>& inputs, bool training, const BatchPart& part,
                                        int64_t images) {
  if (inputs.size() != graph_.inputs().size())
    throw Error("graph '" + graph_.name + "'",
                fmt::format("got {} inputs, expected {}", inputs.size(), graph_.inputs().size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value* input = graph_.inputs()[i];
    if (!matches(input->shape(), inputs[i].sizes().vec()))
      throw Error("input '" + input->name + "'",
                  "got " + to_string(inputs[i].sizes().vec()) + ", expected " + to_string(input->type));
    bool reorder = channels_last_ && inputs[i].dim() == 4 && inputs[i].is_floating_point();
    values_[static_cast<size_t>(slots_.at(input))] =
        reorder ? inputs[i].contiguous(at::MemoryFormat::ChannelsLast) : inputs[i];
  }
  for (const Step& step : steps_) {
    torch_ops::OpCall call{*step.node,         step.attributes, {},   training && !step.frozen_statistics && !step.held,
                           step.may_overwrite, &generator_,     part, images,
                           step.low,           step.high};
    for (int input : step.inputs) call.inputs.push_back(input < 0 ? at::Tensor() : values_[static_cast<size_t>(input)]);
    // Autograd follows the overwriting of a view by copies of all of it, forth and back.
    if (call.may_overwrite && at::GradMode::is_enabled() && call.inputs[0].is_view()) call.may_overwrite = false;
    torch_ops::Tensors results;
    try {
      results = step.entry->run(call);
    } catch (const c10::Error& error) {
      throw Error(step.node->place(), std::string(error.what_without_backtrace()));
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      if (i >= results.size())
        throw Error(step.node->place(), fmt::format("the trainer does not compute its output {}", i));
      values_[static_cast<size_t>(step.outputs[i])] = std::move(results[i]);
    }
    for (int index : step.dead) values_[static_cast<size_t>(index)].reset();
  }
  std::vector<at::Tensor> outputs;
  for (const GraphOutput& output : graph_.outputs()) {
    at::Tensor& value = values_[static_cast<size_t>(slots_.at(output.value))];
    outputs.push_back(value);
  }
  for (const GraphOutput& output : graph_.outputs())
    if (!output.value->is_constant()) values_[static_cast<size_t>(slots_.at(output.value))].reset();
  return outputs;
}

void TorchGraph::replace(Variable& variable, at::Tensor tensor) {
  values_[static_cast<size_t>(slots_.at(graph_.find_value(variable.name)))] = tensor;
  variable.tensor = std::move(tensor);
}

void TorchGraph::hold(const std::vector<std::string>& patterns, bool held) {
  for (Variable& variable : parameters_)
    if (matches_any(patterns, variable.name)) variable.tensor.requires_grad_(!held);
  for (Step& step : steps_)
    if (step.entry->buffers.size() > 0)
      if (const Value* mean = step.node->input(static_cast<size_t>(*step.entry->buffers.begin())))
        if (matches_any(patterns, mean->name)) step.held = held;
}

void TorchGraph::require_known(const std::vector<std::string>& patterns, const std::string& option) const {
  for (const std::string& pattern : patterns)
    if (std::none_of(parameters_.begin(), parameters_.end(),
                     [&](const Variable& variable) { return name_matches(pattern, variable.name); }))
      throw Error(option + " '" + pattern + "'", "no trainable constant of the graph has this name",
                  "names are those of the weights; a trailing * matches a beginning");
}

void TorchGraph::share(TorchGraph& owner, bool buffers) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor alias = owner.parameters_[i].tensor.detach();
    replace(parameters_[i], alias.requires_grad_(owner.parameters_[i].tensor.requires_grad()));
  }
  for (size_t i = 0; buffers && i < buffers_.size(); ++i) replace(buffers_[i], owner.buffers_[i].tensor.detach());
}

TorchGraph::Variable* TorchGraph::find(const std::string& name) {
  for (auto* list : {&parameters_, &buffers_})
    for (Variable& variable : *list)
      if (variable.name == name) return &variable;
  return nullptr;
}

void TorchGraph::store(Graph& graph) const {
  for (auto* list : {&parameters_, &buffers_}) {
    for (const Variable& variable : *list) {
      Value* value = graph.find_value(variable.name);
      Tensor tensor = torch_ops::from_torch(variable.tensor);
      if (!value || !value->is_constant())
        throw Error("graph '" + graph.name + "'",
                    "has no constant '" + variable.name + "' to store a trained tensor in");
      if (value->constant().dims() != tensor.dims() || value->dtype() != tensor.dtype())
        throw Error("constant '" + variable.name + "'",
                    fmt::format("has sizes {}, the trained tensor {}", to_string(value->constant().dims()),
                                to_string(tensor.dims())));
      graph.set_constant(value, std::move(tensor));
    }
  }
}

}  // namespace hone
