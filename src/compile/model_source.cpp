#include "compile/model_source.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "optimize/pass_manager.hpp"

namespace hone {

ModelSource::ModelSource(Graph graph, CompileGraph compile, size_t max_plans, std::vector<std::string> disabled_passes)
    : graph_(std::move(graph)),
      compile_(std::move(compile)),
      max_plans_(max_plans),
      disabled_passes_(std::move(disabled_passes)) {
  PassOptions options;
  options.disabled = disabled_passes_;
  optimize(graph_, options);
  MappedFile::give_back_all();  // weights that were folded into others
  metadata_ = graph_.metadata;
  for (const Value* input : graph_.inputs()) fixed_ = fixed_ && input->shape().is_static();
  for (const Value* input : graph_.inputs()) inputs_.push_back({input->name, input->dtype(), input->shape()});
  for (const GraphOutput& output : graph_.outputs())
    outputs_.push_back({output.name, output.value->dtype(), output.value->shape()});
}

namespace {

void check_dims(const Graph& graph, std::span<const Dims> input_dims) {
  if (input_dims.size() != graph.inputs().size())
    throw Error("graph '" + graph.name + "'", "got sizes for " + std::to_string(input_dims.size()) +
                                                  " inputs, it has " + std::to_string(graph.inputs().size()));
  for (size_t i = 0; i < input_dims.size(); ++i) {
    const Value* input = graph.inputs()[i];
    if (!matches(input->shape(), input_dims[i]))
      throw Error("input '" + input->name + "'",
                  "got " + to_string(input_dims[i]) + ", expected " + to_string(input->shape()));
  }
}

}  // namespace

Graph specialize(const Graph& graph, std::span<const Dims> input_dims,
                 const std::vector<std::string>& disabled_passes) {
  check_dims(graph, input_dims);
  Graph copy = graph.clone();
  for (size_t i = 0; i < input_dims.size(); ++i) {
    Value* input = copy.inputs()[i];
    copy.set_input_type(input, {input->dtype(), Shape(input_dims[i])});
  }
  copy.infer();
  PassOptions options;
  options.disabled = disabled_passes;
  optimize(copy, options);
  return copy;
}

/// Without a copy of the graph, weights can be freed when they are packed, and the passes have seen all sizes already.
std::shared_ptr<const Plan> ModelSource::only_plan(std::span<const Dims> input_dims) {
  if (failure_) std::rethrow_exception(failure_);
  check_dims(graph_, input_dims);
  try {
    return compile_(std::move(graph_));
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
}

std::shared_ptr<const Plan> ModelSource::plan_for(std::span<const Dims> input_dims) {
  std::lock_guard lock(mutex_);
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (std::equal(it->first.begin(), it->first.end(), input_dims.begin(), input_dims.end())) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front().second;
    }
  auto plan = fixed_ ? only_plan(input_dims) : compile_(specialize(graph_, input_dims, disabled_passes_));
  plans_.emplace_front(std::vector<Dims>(input_dims.begin(), input_dims.end()), plan);
  if (plans_.size() > max_plans_) plans_.pop_back();
  return plan;
}

}  // namespace hone
