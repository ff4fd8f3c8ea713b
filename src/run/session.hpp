#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "plan/plan.hpp"

namespace hone {

/// A model in use by one thread at a time. Sizes may change from call to call: each set of input sizes gets its own
/// plan, and the last few are kept.
class Session {
 public:
  explicit Session(std::shared_ptr<PlanSource> source);
  ~Session();
  Session(Session&&) noexcept;

  const std::vector<Port>& inputs() const;
  const std::vector<Port>& outputs() const;
  const std::map<std::string, std::string>& metadata() const;

  /// One inference. Inputs in the order of inputs(). Throws Error naming the input when type or sizes do not fit.
  std::vector<Tensor> run(std::span<const Tensor> inputs);
  /// Writes into `outputs` where they have the right type and sizes already.
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  /// Collects the time of each step from now on (or stops).
  void set_profiling(bool on);
  /// Steps of the plan that ran last, and their times when profiling was on.
  std::shared_ptr<const Plan> plan() const;
  const StepTimes& times() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs a model on concrete inputs: what stages that need a running model are handed.
using RunModel = std::function<std::vector<Tensor>(std::span<const Tensor>)>;

}  // namespace hone
