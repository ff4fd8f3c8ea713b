#include <hone/session.hpp>

#include <cstring>

#include "api/runner.hpp"

namespace hone::v0 {

void Runner::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  InUse use(busy_, "Session");
  inputs_.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) inputs_[i] = TensorAccess::get(inputs[i]);
  outputs_.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].read_only() && i < model_->outputs.size())
      throw hone::Error("output '" + model_->outputs[i].name + "'", "was given memory that must not be written",
                        "make the view from a pointer that is not const");
    outputs_[i] = TensorAccess::get(outputs[i]);
  }
  session_.run(inputs_, outputs_);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || outputs_[i].dtype() == hone::DType::string) {
      // The caller may write to it and give it back as room: never the memory of an input or of a constant.
      const auto& owner = outputs_[i].owner();
      bool own =
          outputs_[i].dtype() == hone::DType::string || (owner.get() == outputs_[i].raw() && owner.use_count() == 1);
      outputs[i] = TensorAccess::wrap(own ? std::move(outputs_[i]) : outputs_[i].clone());
      outputs_[i] = {};
      continue;
    }
    const hone::Tensor& result = outputs_[i];
    const hone::Tensor& wanted = TensorAccess::get(outputs[i]);
    if (result.raw() == wanted.raw()) continue;
    if (result.dtype() == wanted.dtype() && result.dims() == wanted.dims()) {
      // Plans whose sizes depend on data make their outputs themselves.
      if (result.bytes() > 0) std::memcpy(outputs[i].mutable_raw(), result.raw(), result.bytes());
      continue;
    }
    std::string made = name_of(static_cast<DType>(result.dtype())) + hone::to_string(result.dims());
    outputs_[i] = {};
    throw hone::Error("output '" + model_->outputs[i].name + "'",
                      "is " + made + ", got a " + to_string(outputs[i]) + " for it",
                      "give a tensor of that type and these sizes, or an undefined one");
  }
}

struct Session::Impl : Runner {
  using Runner::Runner;
};

Session::Session(const Model& model)
    : impl_(translated([&] {
        const auto& loaded = ModelAccess::get(model);
        return std::make_unique<Impl>(loaded, loaded->options.threads);
      })) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::vector<Tensor> Session::run(std::span<const Tensor> inputs) {
  std::vector<Tensor> outputs(alive(impl_, "Session")->model().outputs.size());
  run(inputs, outputs);
  return outputs;
}

void Session::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  translated([&] { alive(impl_, "Session")->run(inputs, outputs); });
}

std::map<std::string, Tensor> Session::run(const std::map<std::string, Tensor>& inputs) {
  const auto& ports = alive(impl_, "Session")->model().inputs;
  std::vector<Tensor> ordered(ports.size());
  for (size_t i = 0; i < ports.size(); ++i) {
    auto it = inputs.find(ports[i].name);
    if (it == inputs.end()) throw Error("input '" + ports[i].name + "'", "was not given");
    ordered[i] = it->second;
  }
  for (const auto& [name, tensor] : inputs) {
    bool known = false;
    for (const Port& port : ports) known |= port.name == name;
    if (!known) throw Error("input '" + name + "'", "the model has none of this name");
  }
  std::vector<Tensor> outputs = run(ordered);
  std::map<std::string, Tensor> named;
  for (size_t i = 0; i < outputs.size(); ++i) named[impl_->model().outputs[i].name] = std::move(outputs[i]);
  return named;
}

void Session::set_profiling(bool on) { alive(impl_, "Session")->session().set_profiling(on); }

Profile Session::profile() const {
  Profile profile;
  auto plan = alive(impl_, "Session")->session().plan();
  if (!plan) return profile;
  const hone::StepTimes& times = impl_->session().times();
  profile.runs = times.runs;
  for (size_t i = 0; i < plan->steps().size(); ++i) {
    const hone::StepInfo& step = plan->steps()[i];
    double ms = times.runs > 0 ? static_cast<double>(times.nanoseconds[i]) * 1e-6 / static_cast<double>(times.runs) : 0;
    profile.layers.push_back({step.node, step.op, step.kernel, step.shape, ms, step.flops, step.bytes});
  }
  return profile;
}

size_t Session::activation_bytes() const {
  auto plan = alive(impl_, "Session")->session().plan();
  return plan ? plan->arena_bytes() : 0;
}
size_t Session::weight_bytes() const {
  auto plan = alive(impl_, "Session")->session().plan();
  return plan ? plan->weight_bytes() : 0;
}

}  // namespace hone::v0
