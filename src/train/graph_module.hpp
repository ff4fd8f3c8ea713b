#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

class TorchGraph;

struct GraphModuleOptions {
  /// Constants that stay as they are: names, or beginnings of names that end in '*'. A batch normalization whose
  /// running mean is frozen uses its running statistics in training too.
  std::vector<std::string> freeze;
  bool channels_last = true;  ///< NHWC memory for 4-D tensors: 1.2 to 1.6 times faster
  uint64_t seed = 0;          ///< of dropout
};

/// Executes a Graph with autograd. Learned are the float constants that are weights, biases, scales or slopes of the
/// ops in the table of torch_ops.cpp (also through Transpose, Reshape and the like, and a bias added to a product); the
/// mean and variance of a batch normalization are buffers; all other constants stay fixed. In evaluation mode the
/// outputs are those of hone::evaluate(). One thread at a time.
class GraphModule {
 public:
  /// Throws Error naming the node and op when the trainer has no such op, and on a `freeze` entry that matches nothing.
  explicit GraphModule(const Graph& graph, const GraphModuleOptions& options = {});
  ~GraphModule();
  GraphModule(GraphModule&&) noexcept;
  GraphModule& operator=(GraphModule&&) noexcept;

  std::vector<std::string> parameters() const;  ///< names of the learned constants, in graph order
  std::vector<std::string> buffers() const;     ///< names of running means and variances
  int64_t parameter_count() const;              ///< learned numbers
  Tensor value(const std::string& name) const;  ///< of a parameter or buffer; throws Error when there is none
  void set_value(const std::string& name, const Tensor& tensor);  ///< same type and sizes

  /// Outputs in the order of graph.outputs(). training: batch statistics (the running ones move) and dropout.
  std::vector<Tensor> forward(std::span<const Tensor> inputs, bool training = false);
  /// Gradients of sum_k sum(outputs[k] * output_gradients[k]) by parameter.
  std::map<std::string, Tensor> gradients(std::span<const Tensor> inputs, std::span<const Tensor> output_gradients,
                                          bool training = false);
  /// Writes parameters and buffers into the constants of these names; throws Error when one is missing or has other
  /// sizes.
  void store(Graph& graph) const;

  /// The libtorch side, for the trainer (train/torch_graph.hpp).
  TorchGraph& torch() { return *torch_; }

 private:
  std::unique_ptr<TorchGraph> torch_;
};

}  // namespace hone
