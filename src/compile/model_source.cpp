#include "compile/model_source.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/function_ref.hpp"
#include "compile/batch/slicing.hpp"
#include "graph/batch.hpp"
#include "optimize/pass_manager.hpp"

namespace hone {

namespace {

std::vector<Port> ports_of(const std::vector<Value*>& inputs) {
  std::vector<Port> ports;
  for (const Value* input : inputs) ports.push_back({input->name, input->dtype(), input->shape()});
  return ports;
}

void check_dims(const std::string& name, const std::vector<Port>& inputs, std::span<const Dims> dims) {
  if (dims.size() != inputs.size())
    throw Error("graph '" + name + "'",
                "got sizes for " + std::to_string(dims.size()) + " inputs, it has " + std::to_string(inputs.size()));
  for (size_t i = 0; i < dims.size(); ++i)
    if (!matches(inputs[i].shape, dims[i]))
      throw Error("input '" + inputs[i].name + "'",
                  "got " + to_string(dims[i]) + ", expected " + to_string(inputs[i].shape));
}

Graph with_sizes(const Graph& graph, std::span<const Dims> input_dims) {
  check_dims(graph.name, ports_of(graph.inputs()), input_dims);
  Graph copy = graph.clone();
  for (size_t i = 0; i < input_dims.size(); ++i) {
    Value* input = copy.inputs()[i];
    copy.set_input_type(input, {input->dtype(), Shape(input_dims[i])});
  }
  copy.infer();
  return copy;
}

/// The common first size of those inputs that `has_samples` says to have a batch in front; 0: there is none.
int64_t batch_size(std::span<const Dims> input_dims, FunctionRef<bool(size_t)> has_samples) {
  int64_t samples = 0;
  for (size_t i = 0; i < input_dims.size(); ++i) {
    if (!has_samples(i)) continue;
    if (samples != 0 && samples != input_dims[i][0]) return 0;
    samples = input_dims[i][0];
  }
  return samples;
}

/// Threads have no work in the last round when the slices do not fill it.
int slices_at_a_time(int64_t count, int threads) {
  const int64_t rounds = (count + threads - 1) / threads;
  return 5 * count >= 4 * rounds * threads ? threads : 1;
}

}  // namespace

Graph specialize(const Graph& graph, std::span<const Dims> input_dims,
                 const std::vector<std::string>& disabled_passes) {
  Graph copy = with_sizes(graph, input_dims);
  PassOptions options;
  options.disabled = disabled_passes;
  optimize(copy, options);
  return copy;
}

ModelSource::ModelSource(Graph graph, CompileGraph compile, size_t max_plans, std::vector<std::string> disabled_passes,
                         Slicing slicing)
    : graph_(std::move(graph)),
      compile_(std::move(compile)),
      max_plans_(max_plans),
      disabled_passes_(std::move(disabled_passes)),
      slicing_(std::move(slicing)),
      metadata_(graph_.metadata),
      inputs_(ports_of(graph_.inputs())) {
  for (const Port& input : inputs_) fixed_ = fixed_ && input.shape.is_static();
  if (fixed_) cut_fixed_batch();
  PassOptions options;
  options.disabled = disabled_passes_;
  optimize(graph_, options);
  MappedFile::give_back_all();  // weights that were folded into others
  for (size_t i = 0; i < graph_.outputs().size(); ++i) {
    const GraphOutput& output = graph_.outputs()[i];
    outputs_.push_back({output.name, output.value->dtype(), output.value->shape()});
    if (fixed_slices_) outputs_.back().shape = Shape(fixed_slices_->outputs[i].second);
  }
}

/// A graph that is made for one batch becomes that of a slice of it, where that is faster. Once it is optimized for its
/// batch, it cannot be had for another one.
void ModelSource::cut_fixed_batch() {
  if (slicing_.threads <= 0) return;
  std::vector<Dims> dims;
  for (const Port& input : inputs_) dims.push_back(input.shape.concrete());
  const int64_t samples = batch_size(dims, [&](size_t i) { return dims[i].size() > 1; });
  fixed_slices_ = batch::choose_slices(samples, [&](int64_t size) {
    Graph copy = graph_.clone();
    if (size != samples) set_batch(copy, size);
    return copy;
  });
  if (!fixed_slices_) return;
  fixed_slices_->at_a_time = slices_at_a_time(fixed_slices_->count, slicing_.threads);
  set_batch(graph_, fixed_slices_->size);
}

/// Without a copy of the graph, weights can be freed when they are packed, and the passes have seen all sizes already.
std::shared_ptr<const Plan> ModelSource::only_plan() {
  if (failure_) std::rethrow_exception(failure_);
  try {
    if (!fixed_slices_) return compile_(std::move(graph_));
    const CompileGraph& compile = fixed_slices_->at_a_time > 1 ? slicing_.on_one_thread : compile_;
    return batch::make_sliced_plan(compile(std::move(graph_)), *fixed_slices_);
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
}

/// The plan of a batch that runs slice by slice; nullptr: it is better run at once, or its samples depend on each
/// other.
std::shared_ptr<const Plan> ModelSource::plan_of_slices(std::span<const Dims> input_dims) {
  if (slicing_.threads <= 0) return nullptr;
  auto has_samples = [&](size_t i) {
    return !input_dims[i].empty() && !(inputs_[i].shape.ranked && inputs_[i].shape[0].known());
  };
  auto dims_for = [&](int64_t samples) {
    std::vector<Dims> dims(input_dims.begin(), input_dims.end());
    for (size_t i = 0; i < dims.size(); ++i)
      if (has_samples(i)) dims[i][0] = samples;
    return dims;
  };
  auto slices = batch::choose_slices(batch_size(input_dims, has_samples),
                                     [&](int64_t samples) { return with_sizes(graph_, dims_for(samples)); });
  if (!slices) return nullptr;
  slices->at_a_time = slices_at_a_time(slices->count, slicing_.threads);
  auto plan = kept_plan(dims_for(slices->size), slices->at_a_time > 1);
  return batch::make_sliced_plan(std::move(plan), std::move(*slices));
}

std::shared_ptr<const Plan> ModelSource::kept_plan(std::span<const Dims> input_dims, bool on_one_thread) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (it->on_one_thread == on_one_thread &&
        std::equal(it->dims.begin(), it->dims.end(), input_dims.begin(), input_dims.end())) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front().plan;
    }
  check_dims(graph_.name, inputs_, input_dims);
  std::shared_ptr<const Plan> plan;
  if (fixed_)
    plan = only_plan();
  else if (!on_one_thread)
    plan = plan_of_slices(input_dims);
  if (!plan)
    plan = (on_one_thread ? slicing_.on_one_thread : compile_)(specialize(graph_, input_dims, disabled_passes_));
  plans_.push_front({std::vector<Dims>(input_dims.begin(), input_dims.end()), on_one_thread, plan});
  if (plans_.size() > max_plans_) plans_.pop_back();
  return plan;
}

std::shared_ptr<const Plan> ModelSource::plan_for(std::span<const Dims> input_dims) {
  std::lock_guard lock(mutex_);
  return kept_plan(input_dims);
}

}  // namespace hone
