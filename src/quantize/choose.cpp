#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/interrupt.hpp"
#include "quantize/quantizer.hpp"

// What QuantizeOptions leave automatic is decided by trying it on samples that were held out.
namespace hone {

namespace {

// Gains below this are not worth leaving the usual way for.
constexpr double least_gain = 0.01;

/// Relative squared errors of the f32 outputs for one sample.
using Errors = std::vector<double>;

class Trials {
 public:
  Trials(const Graph& exact, const SampleStream& samples, const MakeRunner& make_runner)
      : samples_(samples), make_runner_(make_runner), exact_(outputs_of(exact)) {}

  std::vector<Errors> errors_of(const Graph& graph) const {
    std::vector<Errors> errors;
    auto outputs = outputs_of(graph);
    for (size_t s = 0; s < outputs.size(); ++s) {
      errors.emplace_back();
      for (size_t o = 0; o < outputs[s].size(); ++o)
        if (outputs[s][o].dtype() == DType::f32 && outputs[s][o].dims() == exact_[s][o].dims())
          errors.back().push_back(relative_error(exact_[s][o].data<float>(), outputs[s][o].data<float>()));
    }
    return errors;
  }

  static double sqnr_db(const std::vector<Errors>& errors) {
    double sum = 0, count = 0;
    for (const Errors& sample : errors)
      for (double error : sample) sum -= 10 * std::log10(error), ++count;
    return count > 0 ? sum / count : 0;
  }

  /// The gain, as mean logarithm of the ratio of errors, is beyond its standard error over the samples.
  static bool clearly_better(const std::vector<Errors>& errors, const std::vector<Errors>& than) {
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
    return mean > std::max(least_gain, deviation);
  }

 private:
  static double relative_error(std::span<const float> wanted, std::span<const float> got) {
    double noise = 0, signal = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      double difference = static_cast<double>(wanted[i]) - got[i];
      noise += difference * difference;
      signal += static_cast<double>(wanted[i]) * wanted[i];
    }
    return std::max(noise, 1e-20) / std::max(signal, 1e-20);
  }

  std::vector<std::vector<Tensor>> outputs_of(const Graph& graph) const {
    RunModel run = make_runner_(graph);
    std::vector<std::vector<Tensor>> outputs;
    for (const auto& sample : samples_.held_out()) {
      check_interrupt("quantize");
      outputs.push_back(run(sample));
    }
    return outputs;
  }

  const SampleStream& samples_;
  const MakeRunner& make_runner_;
  std::vector<std::vector<Tensor>> exact_;
};

std::string key_of(const QuantizeOptions& o) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {}", name_of(o.range), o.percentile, name_of(o.bias_correction),
                     static_cast<int>(o.activations), o.adaptive_rounding, o.batch_norm_statistics,
                     static_cast<int>(o.saturation_fix), o.target_device, fmt::join(o.ignored_nodes, "\n"),
                     fmt::join(o.ignored_patterns, "\n"), fmt::join(o.ignored_op_types, "\n"));
}

}  // namespace

const Quantizer::Decision& Quantizer::decide(const QuantizeOptions& options, Progress& progress) {
  std::string key = key_of(options);
  auto known = decisions_.find(key);
  if (known != decisions_.end()) return known->second;
  const bool open_range = options.range == RangeMethod::automatic,
             open_bias = options.bias_correction == BiasCorrection::automatic;
  QuantizeOptions first = options;
  if (open_range) first.range = RangeMethod::mse;
  if (open_bias) first.bias_correction = BiasCorrection::fast;
  Decision decision{.options = first, .graph = {}, .report = {}};
  if ((open_range || open_bias) && !samples_->held_out().empty()) try_all(decision, open_range, open_bias, progress);
  return decisions_.emplace(key, std::move(decision)).first->second;
}

void Quantizer::try_all(Decision& best, bool open_range, bool open_bias, Progress& progress) {
  const bool rounds = best.options.adaptive_rounding;
  Trials trials(graph_, *samples_, make_runner_);
  progress.begin("compare", 1 + 2 * open_range + open_bias);
  std::vector<TriedChoice> tried;
  std::vector<Errors> least;
  auto attempt = [&](QuantizeOptions options) {
    options.adaptive_rounding = false;  // slow, and no reason to choose otherwise
    QuantizeReport report;
    Graph graph = make(options, {}, &report, no_progress());
    std::vector<Errors> errors = trials.errors_of(graph);
    tried.push_back({options.range, options.bias_correction, Trials::sqnr_db(errors)});
    progress.update(static_cast<int64_t>(tried.size()));
    if (!least.empty() && !Trials::clearly_better(errors, least)) return;
    least = std::move(errors);
    best = {.options = options, .graph = std::move(graph), .report = std::move(report)};
  };
  attempt(best.options);
  QuantizeOptions usual = best.options;
  if (open_range)
    for (RangeMethod range : {RangeMethod::min_max, RangeMethod::mean_min_max}) {
      usual.range = range;
      attempt(usual);
    }
  usual = best.options;
  // The full correction makes the mean of the outputs right, which this error rewards more than accuracy does.
  if (open_bias) {
    usual.bias_correction = BiasCorrection::none;
    attempt(usual);
  }
  progress.end();
  prepared_.tried = best.report.tried = tried;
  best.options.adaptive_rounding = rounds;
  if (rounds) best.graph.reset();
}

}  // namespace hone
