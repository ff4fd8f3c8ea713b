#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "devices/devices.hpp"
#include "graph/graph.hpp"
#include "run/session.hpp"

namespace hone::app {

/// An inner value of a compiled model that exists in memory while it runs: the result of one step of the plan.
struct Watch {
  std::string name;    ///< of the float value it stands for: a quantized step stands for what it quantizes
  std::string node;    ///< name and op of the node, as errors call it
  std::string op;      ///< of the node that computes the float value
  std::string kernel;  ///< of the step
  std::string value;   ///< name of the value in the graph
  std::string type;    ///< "f32[1, 64, 56, 56]"
  Dims dims;
  const Node* quantize = nullptr;  ///< the QuantizeLinear that makes `value`, when it is quantized
};

/// The results of the steps of the plan for this graph, in order. `graph` has concrete input sizes and is optimized.
std::vector<Watch> plan_watches(const Graph& graph, const DeviceOptions& device);

/// A model that also gives watched values. They are graph outputs of the model that runs. As only results of steps are
/// watched, which are in memory anyway, the plan keeps its fused kernels (in-place and concat memory may differ).
class WatchedModel {
 public:
  WatchedModel(const Graph& graph, const DeviceOptions& device, const std::vector<Watch>& watches);
  /// Runs and keeps the values.
  void run(std::span<const Tensor> inputs);
  const Tensor& value(size_t watch) const { return values_[positions_[watch]]; }
  const Tensor& output(size_t i) const { return values_[i]; }

 private:
  std::unique_ptr<Session> session_;
  std::vector<size_t> positions_;
  std::vector<Tensor> values_;
};

/// Any numeric tensor as floats, a quantized one by the scale of its QuantizeLinear.
std::vector<float> watched_floats(const Watch& watch, const Tensor& value);

/// The nodes between `target` and the values named in `stops` (or the graph's inputs), as a model of its own; `inputs`
/// receives the names of the values that it takes.
Graph cut_out(const Graph& graph, const std::string& target, const std::vector<std::string>& stops,
              std::vector<std::string>& inputs);

}  // namespace hone::app
