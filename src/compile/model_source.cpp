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
  for (const Value* input : graph_.inputs()) inputs_.push_back({input->name, input->dtype(), input->shape()});
  for (const GraphOutput& output : graph_.outputs())
    outputs_.push_back({output.name, output.value->dtype(), output.value->shape()});
}

Graph specialize(const Graph& graph, std::span<const Dims> input_dims, const std::vector<std::string>& disabled_passes) {
  Graph copy = graph.clone();
  if (input_dims.size() != copy.inputs().size())
    throw Error("graph '" + graph.name + "'", "got sizes for " + std::to_string(input_dims.size()) + " inputs, it has " +
                                                  std::to_string(copy.inputs().size()));
  for (size_t i = 0; i < input_dims.size(); ++i) {
    Value* input = copy.inputs()[i];
    if (!matches(input->shape(), input_dims[i]))
      throw Error("input '" + input->name + "'",
                  "got " + to_string(input_dims[i]) + ", expected " + to_string(input->shape()));
    copy.set_input_type(input, {input->dtype(), Shape(input_dims[i])});
  }
  copy.infer();
  PassOptions options;
  options.disabled = disabled_passes;
  optimize(copy, options);
  return copy;
}

std::shared_ptr<const Plan> ModelSource::plan_for(std::span<const Dims> input_dims) {
  std::lock_guard lock(mutex_);
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (std::equal(it->first.begin(), it->first.end(), input_dims.begin(), input_dims.end())) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front().second;
    }
  auto plan = compile_(specialize(graph_, input_dims, disabled_passes_));
  plans_.emplace_front(std::vector<Dims>(input_dims.begin(), input_dims.end()), plan);
  if (plans_.size() > max_plans_) plans_.pop_back();
  return plan;
}

}  // namespace hone
