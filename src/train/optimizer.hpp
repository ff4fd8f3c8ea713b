#pragma once
// Private to src/train: includes ATen.
#include "train/torch_graph.hpp"

namespace hone {

/// SGD with Nesterov momentum; weight decay is added to the gradient of the variables that want it.
class Sgd {
 public:
  Sgd(std::vector<TorchGraph::Variable>& variables, double momentum, double weight_decay);
  /// Applies the gradients of the last backward() and clears them.
  void step(double learning_rate);
  std::vector<at::Tensor>& velocities() { return velocities_; }

 private:
  std::vector<TorchGraph::Variable>& variables_;
  double momentum_, weight_decay_;
  std::vector<at::Tensor> velocities_;
};

/// Moves the weights and statistics of `average` towards those of `live`: average += (1 - decay) * (live - average).
/// The decay of update t (from 0) is min(decay, (1 + t) / (10 + t)), so that the average forgets the random start.
void update_average(TorchGraph& average, TorchGraph& live, double decay, int64_t update);

}  // namespace hone
