#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>

namespace hone {

Sgd::Sgd(Variables& variables, double momentum, double weight_decay)
    : Optimizer(variables), momentum_(momentum), weight_decay_(weight_decay) {
  for (auto& variable : variables_) velocities_.push_back(at::zeros_like(variable.tensor.detach()));
}

void Sgd::step(double learning_rate) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < variables_.size(); ++i) {
    at::Tensor& weight = variables_[i].tensor;
    at::Tensor& gradient = weight.mutable_grad();
    if (!gradient.defined()) continue;
    if (rates_[i] > 0) {
      if (variables_[i].decay && weight_decay_ != 0) gradient.add_(weight.detach(), weight_decay_);
      velocities_[i].mul_(momentum_).add_(gradient);
      gradient.add_(velocities_[i], momentum_);
      weight.add_(gradient, -learning_rate * rates_[i]);
    }
    gradient.reset();
  }
}

void Sgd::visit(const std::function<void(const std::string&, at::Tensor&)>& visit) {
  for (size_t i = 0; i < variables_.size(); ++i) visit("velocity/" + variables_[i].name, velocities_[i]);
}

AdamW::AdamW(Variables& variables, double momentum, double second_momentum, double weight_decay)
    : Optimizer(variables), momentum_(momentum), second_momentum_(second_momentum), weight_decay_(weight_decay) {
  for (auto& variable : variables_) {
    means_.push_back(at::zeros_like(variable.tensor.detach()));
    squares_.push_back(at::zeros_like(variable.tensor.detach()));
    steps_.push_back(at::zeros({1}, at::kDouble));
  }
}

void AdamW::step(double learning_rate) {
  constexpr double epsilon = 1e-8;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < variables_.size(); ++i) {
    at::Tensor& weight = variables_[i].tensor;
    at::Tensor& gradient = weight.mutable_grad();
    if (!gradient.defined()) continue;
    if (rates_[i] > 0) {
      double rate = learning_rate * rates_[i];
      double& count = *steps_[i].data_ptr<double>();
      count += 1;
      if (variables_[i].decay && weight_decay_ != 0) weight.mul_(1 - rate * weight_decay_);
      means_[i].lerp_(gradient, 1 - momentum_);
      squares_[i].mul_(second_momentum_).addcmul_(gradient, gradient, 1 - second_momentum_);
      at::Tensor scale = squares_[i].div(1 - std::pow(second_momentum_, count)).sqrt_().add_(epsilon);
      weight.addcdiv_(means_[i], scale, -rate / (1 - std::pow(momentum_, count)));
    }
    gradient.reset();
  }
}

void AdamW::visit(const std::function<void(const std::string&, at::Tensor&)>& visit) {
  for (size_t i = 0; i < variables_.size(); ++i) {
    visit("mean/" + variables_[i].name, means_[i]);
    visit("square/" + variables_[i].name, squares_[i]);
    visit("steps/" + variables_[i].name, steps_[i]);
  }
}

std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options, Optimizer::Variables& variables) {
  if (options.optimizer == OptimizerKind::adamw)
    return std::make_unique<AdamW>(variables, options.momentum, options.second_momentum, options.weight_decay);
  return std::make_unique<Sgd>(variables, options.momentum, options.weight_decay);
}

double clip_gradients(Optimizer::Variables& variables, double limit) {
  at::NoGradGuard no_grad;
  double sum = 0;
  for (auto& variable : variables)
    if (at::Tensor& gradient = variable.tensor.mutable_grad(); gradient.defined())
      sum += std::pow(gradient.norm().item<double>(), 2);
  double norm = std::sqrt(sum);
  if (norm > limit)
    for (auto& variable : variables)
      if (at::Tensor& gradient = variable.tensor.mutable_grad(); gradient.defined()) gradient.mul_(limit / norm);
  return norm;
}

void update_average(TorchGraph& average, TorchGraph& live, double decay, int64_t update) {
  at::NoGradGuard no_grad;
  double warm = static_cast<double>(1 + update) / static_cast<double>(10 + update);
  double share = 1 - std::min(decay, warm);
  auto move = [&](std::vector<TorchGraph::Variable>& to, std::vector<TorchGraph::Variable>& from) {
    for (size_t i = 0; i < to.size(); ++i) to[i].tensor.lerp_(from[i].tensor, share);
  };
  move(average.parameters(), live.parameters());
  move(average.buffers(), live.buffers());
}

}  // namespace hone
