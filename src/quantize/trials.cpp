#include "quantize/trials.hpp"

#include <algorithm>
#include <cmath>

#include "base/interrupt.hpp"
#include "tensor/signal_noise.hpp"

namespace hone {

namespace {

// Gains below this are not worth leaving the usual way for.
constexpr double least_gain = 0.01;

/// Logarithms, with mean 0.
void make_scores(Tensor& probabilities) {
  double sum = 0;
  for (float& p : probabilities.mutable_data<float>()) sum += p = std::log(std::max(p, 1e-7F));
  const float mean = static_cast<float>(sum / static_cast<double>(std::max<int64_t>(1, probabilities.size())));
  for (float& score : probabilities.mutable_data<float>()) score -= mean;
}

}  // namespace

Trials::Trials(const Graph& exact, const SampleStream& samples, const MakeRunner& make_runner)
    : samples_(samples), make_runner_(make_runner) {
  for (const GraphOutput& output : exact.outputs()) {
    const Node* producer = output.value->producer();
    probabilities_.push_back(producer && producer->is("Softmax") && output.value->dtype() == DType::f32);
  }
  exact_ = outputs_of(exact);
}

std::vector<Trials::Errors> Trials::errors_of(const Graph& graph) const {
  std::vector<Errors> errors;
  auto outputs = outputs_of(graph);
  for (size_t s = 0; s < outputs.size(); ++s) {
    errors.emplace_back();
    for (size_t o = 0; o < outputs[s].size(); ++o)
      if (SignalNoise found; found.add(exact_[s][o], outputs[s][o])) errors.back().push_back(found.relative_error());
  }
  return errors;
}

double Trials::sqnr_db(const std::vector<Errors>& errors) {
  double sum = 0, count = 0;
  for (const Errors& sample : errors)
    for (double error : sample) sum -= 10 * std::log10(error), ++count;
  return count > 0 ? sum / count : 0;
}

bool Trials::clearly_better(const std::vector<Errors>& errors, const std::vector<Errors>& than, double factor) {
  double sum = 0, squares = 0, count = 0;
  for (size_t s = 0; s < errors.size(); ++s) {
    if (errors[s].empty() || errors[s].size() != than[s].size()) continue;
    double gain = 0;
    for (size_t o = 0; o < errors[s].size(); ++o) gain += std::log(than[s][o] / errors[s][o]);
    gain /= static_cast<double>(errors[s].size());
    sum += gain, squares += gain * gain, ++count;
  }
  if (count < 2) return false;
  double mean = sum / count, deviation = std::sqrt(std::max(0.0, squares - sum * mean) / (count - 1) / count);
  return mean > std::max({least_gain, deviation, std::log(factor)});
}

std::vector<std::vector<Tensor>> Trials::outputs_of(const Graph& graph) const {
  RunModel run = make_runner_(graph);
  std::vector<std::vector<Tensor>> outputs;
  for (const auto& sample : samples_.held_out()) {
    check_interrupt("quantize");
    outputs.push_back(run(sample));
    for (size_t i = 0; i < outputs.back().size(); ++i) {
      if (!probabilities_[i]) continue;
      Tensor own = outputs.back()[i].clone();
      make_scores(own);
      outputs.back()[i] = own;
    }
  }
  return outputs;
}

}  // namespace hone
