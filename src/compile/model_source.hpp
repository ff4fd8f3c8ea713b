#pragma once
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "compile/batch/sliced_plan.hpp"
#include "graph/graph.hpp"
#include "plan/plan.hpp"

namespace hone {

/// Compiles a graph whose input sizes are all concrete.
using CompileGraph = std::function<std::shared_ptr<const Plan>(Graph)>;

/// How a device runs a large batch faster than at once: in slices whose activations stay in the cache, and with several
/// threads as several slices at the same time.
struct Slicing {
  int threads = 0;  ///< of the device; 0: a batch is never cut
  CompileGraph on_one_thread;
};

/// A graph that is specialized and compiled for each set of concrete input sizes; the last few plans are kept.
/// What every device returns from load().
class ModelSource : public PlanSource {
 public:
  ModelSource(Graph graph, CompileGraph compile, size_t max_plans = 8, std::vector<std::string> disabled_passes = {},
              Slicing slicing = {});
  const std::vector<Port>& inputs() const override { return inputs_; }
  const std::vector<Port>& outputs() const override { return outputs_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  std::shared_ptr<const Plan> plan_for(std::span<const Dims> input_dims) override;

 private:
  void cut_fixed_batch();
  std::shared_ptr<const Plan> kept_plan(std::span<const Dims> input_dims, bool on_one_thread = false);
  std::shared_ptr<const Plan> only_plan();
  std::shared_ptr<const Plan> plan_of_slices(std::span<const Dims> input_dims);

  Graph graph_;
  CompileGraph compile_;
  size_t max_plans_;
  std::vector<std::string> disabled_passes_;
  Slicing slicing_;
  std::map<std::string, std::string> metadata_;
  std::vector<Port> inputs_, outputs_;
  bool fixed_ = true;  // all input sizes are concrete: there is one plan, and the graph goes into it
  std::optional<batch::Slices> fixed_slices_;  // that plan runs these; the graph is that of one of them
  std::exception_ptr failure_;                 // of making it
  std::mutex mutex_;
  struct Kept {
    std::vector<Dims> dims;
    bool on_one_thread;  // a plan of slices that run at the same time; batches of all sizes share it
    std::shared_ptr<const Plan> plan;
  };
  std::list<Kept> plans_;  // most recently used first
};

/// A copy of `graph` with concrete input sizes: shapes inferred, shape arithmetic folded, passes run again.
Graph specialize(const Graph& graph, std::span<const Dims> input_dims, const std::vector<std::string>& disabled_passes);

}  // namespace hone
