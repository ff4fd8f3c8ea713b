#include "devices/reference/reference_device.hpp"

#include <chrono>
#include <unordered_map>

#include "base/error.hpp"

namespace hone {

namespace {

class ReferencePlan : public Plan {
 public:
  explicit ReferencePlan(Graph graph) : graph_(std::move(graph)) {
    for (auto& node : graph_.nodes()) {
      StepInfo info;
      info.node = node->name;
      info.op = node->op().type();
      info.kernel = "reference";
      info.shape = node->outputs().empty() ? "" : to_string(node->output()->shape());
      steps_.push_back(std::move(info));
    }
    for (const GraphOutput& output : graph_.outputs()) ++uses_[output.value];
    for (auto& node : graph_.nodes())
      for (const Value* input : node->inputs())
        if (input) ++uses_[input];
  }

  const std::vector<StepInfo>& steps() const override { return steps_; }
  std::unique_ptr<PlanState> make_state() const override { return std::make_unique<PlanState>(); }

  void run(PlanState&, std::span<const Tensor> inputs, std::span<Tensor> outputs, StepTimes* times) const override {
    std::unordered_map<const Value*, Tensor> values;
    std::unordered_map<const Value*, int> left = uses_;
    for (size_t i = 0; i < inputs.size(); ++i) values[graph_.inputs()[i]] = inputs[i];
    size_t step = 0;
    std::vector<const Tensor*> arguments;
    for (auto& node : graph_.nodes()) {
      arguments.clear();
      for (const Value* input : node->inputs())
        arguments.push_back(!input ? nullptr : input->is_constant() ? &input->constant() : &values.at(input));
      auto begin = std::chrono::steady_clock::now();
      std::vector<Tensor> results = evaluate_node(*node, arguments);
      if (times)
        times->nanoseconds[step] +=
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
      ++step;
      for (size_t i = 0; i < results.size(); ++i) values[node->output(i)] = std::move(results[i]);
      for (const Value* input : node->inputs())
        if (input && --left[input] == 0) values.erase(input);
    }
    if (times) ++times->runs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Value* value = graph_.outputs()[i].value;
      const Tensor& result = value->is_constant() ? value->constant() : values.at(value);
      // A constant's or an input's memory is not ours to hand out.
      outputs[i] = value->producer() ? result : result.clone();
    }
  }

 private:
  Graph graph_;
  std::vector<StepInfo> steps_;
  std::unordered_map<const Value*, int> uses_;
};

}  // namespace

std::shared_ptr<const Plan> compile_reference(Graph graph) { return std::make_shared<ReferencePlan>(std::move(graph)); }

}  // namespace hone
