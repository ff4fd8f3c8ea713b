#pragma once
// Private to src/train: includes ATen.
#include <functional>
#include <memory>
#include <string>

#include "train/torch_graph.hpp"
#include "train/trainer.hpp"

namespace hone {

/// Moves parameters along their gradients. Variables without a gradient, or with rate 0, stay as they are.
class Optimizer {
 public:
  using Variables = std::vector<TorchGraph::Variable>;
  /// `variables` must outlive the optimizer.
  explicit Optimizer(Variables& variables) : variables_(variables), rates_(variables.size(), 1.0) {}
  virtual ~Optimizer() = default;
  /// Applies the gradients of the last backward() and clears them.
  virtual void step(double learning_rate) = 0;
  /// Visits what a checkpoint must keep, as "velocity/NAME" and the like.
  virtual void visit(const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) = 0;
  /// Factor of the learning rate for each variable.
  std::vector<double>& rates() { return rates_; }

 protected:
  Variables& variables_;
  std::vector<double> rates_;
};

/// SGD with Nesterov momentum; weight decay is added to the gradient of the variables that want it.
class Sgd : public Optimizer {
 public:
  Sgd(Variables& variables, double momentum, double weight_decay);
  void step(double learning_rate) override;
  void visit(const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) override;

 private:
  double momentum_, weight_decay_;
  std::vector<at::Tensor> velocities_;
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019), with the correction of the first steps.
class AdamW : public Optimizer {
 public:
  AdamW(Variables& variables, double momentum, double second_momentum, double weight_decay);
  void step(double learning_rate) override;
  void visit(const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) override;

 private:
  double momentum_, second_momentum_, weight_decay_;
  std::vector<at::Tensor> means_, squares_, steps_;  ///< steps_: the updates of each variable so far, f64 [1]
};

std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options, Optimizer::Variables& variables);

/// Scales all gradients so that their common norm is at most `limit`; returns the norm before.
double clip_gradients(Optimizer::Variables& variables, double limit);

/// Moves the weights and statistics of `average` towards those of `live`: average += (1 - decay) * (live - average).
/// The decay of update t (from 0) is min(decay, (1 + t) / (10 + t)), so that the average forgets the random start.
void update_average(TorchGraph& average, TorchGraph& live, double decay, int64_t update);

}  // namespace hone
