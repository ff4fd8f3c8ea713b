#include "train/optimizer.hpp"

#include <algorithm>

namespace hone {

Sgd::Sgd(std::vector<TorchGraph::Variable>& variables, double momentum, double weight_decay)
    : variables_(variables), momentum_(momentum), weight_decay_(weight_decay) {
  for (auto& variable : variables_) velocities_.push_back(at::zeros_like(variable.tensor.detach()));
}

void Sgd::step(double learning_rate) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < variables_.size(); ++i) {
    at::Tensor& weight = variables_[i].tensor;
    at::Tensor& gradient = weight.mutable_grad();
    if (!gradient.defined()) continue;
    if (variables_[i].decay && weight_decay_ != 0) gradient.add_(weight.detach(), weight_decay_);
    velocities_[i].mul_(momentum_).add_(gradient);
    gradient.add_(velocities_[i], momentum_);
    weight.add_(gradient, -learning_rate);
    gradient.reset();
  }
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
