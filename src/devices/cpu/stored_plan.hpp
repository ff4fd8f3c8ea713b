#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "compile/cache/plan_file.hpp"
#include "devices/cpu/cpu_device.hpp"
#include "devices/cpu/kernel.hpp"

/// What the CPU device keeps of a plan between processes.
namespace hone::cpu {

/// All that a plan depends on: the graph, what was asked for, this machine and this build. None when there is no cache,
/// or the graph cannot be kept.
std::optional<Hash> plan_key(const Graph& graph, const CpuOptions& options);

/// Collects what is written while a plan is built.
class PlanRecorder {
 public:
  /// Before any weight is packed.
  explicit PlanRecorder(const Graph& lowered);
  void add_step(const char* entry, const std::vector<std::string>& notes, const Node& node, const Kernel& kernel);
  /// When all steps are there; their kernels must live still. False when nothing was written.
  bool write(const cache::Folder& folder, const Hash& key);

 private:
  bool possible_ = false;
  cache::PlanRecord record_;
  std::vector<const Value*> constants_;
  std::vector<Dims> dims_;                           ///< of the constants, before they are released
  std::unordered_map<const Value*, Tensor> needed_;  ///< constants whose plain values are kept
};

/// The packed weights of one step of a stored plan.
class StepWeights : public StoredWeights {
 public:
  explicit StepWeights(const cache::StoredPlan& plan, const cache::StoredStep& step) : plan_(plan), step_(step) {}
  std::shared_ptr<void> next(size_t bytes) override {
    if (at_ >= step_.packed.size() || step_.packed[at_].size() != bytes)
      throw Error("cached plan", "does not fit its kernels");
    return {plan_.file, const_cast<std::byte*>(step_.packed[at_++].data())};
  }

 private:
  const cache::StoredPlan& plan_;
  const cache::StoredStep& step_;
  size_t at_ = 0;
};

}  // namespace hone::cpu
