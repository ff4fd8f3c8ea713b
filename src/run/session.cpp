#include "run/session.hpp"

#include <list>

#include "base/error.hpp"

namespace hone {

namespace {
constexpr size_t max_states = 4;  // plans of different input sizes kept with their memory by one session
}

struct Session::State {
  struct Ready {
    std::vector<Dims> dims;
    std::shared_ptr<const Plan> plan;
    std::unique_ptr<PlanState> state;
    StepTimes times;
  };
  std::shared_ptr<PlanSource> source;
  std::list<Ready> ready;  // most recently used first
  bool profiling = false;
  std::vector<Dims> dims;  // scratch, kept to avoid allocation

  void check(std::span<const Tensor> inputs) const {
    const auto& ports = source->inputs();
    if (inputs.size() != ports.size())
      throw Error("run",
                  "got " + std::to_string(inputs.size()) + " inputs, the model has " + std::to_string(ports.size()));
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].dtype() == ports[i].dtype && matches(ports[i].shape, inputs[i].dims())) continue;
      throw Error("input '" + ports[i].name + "'",
                  std::string("got ") + name_of(inputs[i].dtype()) + to_string(inputs[i].dims()) + ", expected " +
                      name_of(ports[i].dtype) + to_string(ports[i].shape), remedy(ports[i], inputs[i]));
    }
  }

  static std::string remedy(const Port& port, const Tensor& input) {
    bool batch = port.shape.rank() > 1 && input.rank() == port.shape.rank() && input.dtype() == port.dtype &&
                 port.shape[0].known() && input.dim(0) != port.shape[0].value;
    if (!batch) return {};
    return port.shape[0].value == 1
               ? "the model was exported for a batch of 1: run the images one by one, or export it "
                 "with a free batch size"
               : "the model was exported for a batch of " + std::to_string(port.shape[0].value) +
                     ": fill up the batch, or export it with a free batch size";
  }

  bool same_dims(const Ready& candidate, std::span<const Tensor> inputs) const {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (candidate.dims[i] != inputs[i].dims()) return false;
    return true;
  }

  Ready& prepare(std::span<const Tensor> inputs) {
    for (auto it = ready.begin(); it != ready.end(); ++it)
      if (same_dims(*it, inputs)) {
        if (it != ready.begin()) ready.splice(ready.begin(), ready, it);
        return ready.front();
      }
    check(inputs);
    Ready fresh;
    for (const Tensor& input : inputs) fresh.dims.push_back(input.dims());
    fresh.plan = source->plan_for(fresh.dims);
    // Free the oldest before making memory for the new one.
    while (ready.size() >= max_states) ready.pop_back();
    fresh.state = fresh.plan->make_state();
    fresh.times.nanoseconds.assign(fresh.plan->steps().size(), 0);
    ready.push_front(std::move(fresh));
    return ready.front();
  }
};

Session::Session(std::shared_ptr<PlanSource> source) : state_(new State) { state_->source = std::move(source); }
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

const std::vector<Port>& Session::inputs() const { return state_->source->inputs(); }
const std::vector<Port>& Session::outputs() const { return state_->source->outputs(); }
const std::map<std::string, std::string>& Session::metadata() const { return state_->source->metadata(); }

std::vector<Tensor> Session::run(std::span<const Tensor> inputs) {
  std::vector<Tensor> outputs(this->outputs().size());
  run(inputs, outputs);
  return outputs;
}

void Session::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  const auto& ports = state_->source->inputs();
  // Element types are part of the check that a cached plan does not repeat.
  bool types_fit = inputs.size() == ports.size();
  for (size_t i = 0; types_fit && i < ports.size(); ++i) types_fit = inputs[i].dtype() == ports[i].dtype;
  if (!types_fit) state_->check(inputs);
  if (outputs.size() != state_->source->outputs().size())
    throw Error("run", "got room for " + std::to_string(outputs.size()) + " outputs, the model has " +
                           std::to_string(state_->source->outputs().size()));
  State::Ready& ready = state_->prepare(inputs);
  ready.plan->run(*ready.state, inputs, outputs, state_->profiling ? &ready.times : nullptr);
}

void Session::set_profiling(bool on) { state_->profiling = on; }

std::shared_ptr<const Plan> Session::plan() const {
  return state_->ready.empty() ? nullptr : state_->ready.front().plan;
}

const StepTimes& Session::times() const {
  static const StepTimes none;
  return state_->ready.empty() ? none : state_->ready.front().times;
}

}  // namespace hone
