#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "quantize/quantizer.hpp"
#include "quantize/trials.hpp"

// What QuantizeOptions leave automatic is decided by trying it on samples that were held out.
namespace hone {

namespace {

constexpr double clipping_gain = 2;  // see QuantizeOptions::range

std::string key_of(const QuantizeOptions& o) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {}", name_of(o.range), o.percentile,
                     name_of(o.bias_correction), static_cast<int>(o.activations), o.error_feedback, o.adaptive_rounding,
                     o.batch_norm_statistics, static_cast<int>(o.saturation_fix), o.target_device, o.sensitive_share,
                     fmt::join(o.ignored_nodes, "\n"), fmt::join(o.ignored_patterns, "\n"),
                     fmt::join(o.ignored_op_types, "\n"));
}

}  // namespace

const Quantizer::Decision& Quantizer::decide(const QuantizeOptions& options, Progress& progress) {
  std::string key = key_of(options);
  auto known = decisions_.find(key);
  if (known != decisions_.end()) return known->second;
  const bool open_range = options.range == RangeMethod::automatic,
             open_bias = options.bias_correction == BiasCorrection::automatic;
  QuantizeOptions first = options;
  if (open_range) first.range = RangeMethod::min_max;
  if (open_bias) first.bias_correction = BiasCorrection::fast;
  Decision decision{.options = first, .graph = {}, .report = {}, .sensitive = {}};
  if (!samples_->held_out().empty()) {
    Trials trials(graph_, *samples_, make_runner_);
    if (open_range || open_bias) try_all(decision, trials, open_range, open_bias, progress);
    if (options.sensitive_share > 0) find_sensitive(decision, trials, progress);
  }
  return decisions_.emplace(key, std::move(decision)).first->second;
}

void Quantizer::try_all(Decision& best, const Trials& trials, bool open_range, bool open_bias, Progress& progress) {
  const bool rounds = best.options.adaptive_rounding;
  progress.begin("compare", 1 + 2 * open_range + open_bias + best.options.error_feedback);
  std::vector<TriedChoice> tried;
  std::vector<Trials::Errors> least;
  auto attempt = [&](QuantizeOptions options, double least_factor = 1) {
    options.adaptive_rounding = false;  // slow, and no reason to choose otherwise
    QuantizeReport report;
    Graph graph = make(options, {}, &report, no_progress());
    std::vector<Trials::Errors> errors = trials.errors_of(graph);
    tried.push_back({options.range, options.bias_correction, options.error_feedback, Trials::sqnr_db(errors)});
    progress.update(static_cast<int64_t>(tried.size()));
    if (!least.empty() && !Trials::clearly_better(errors, least, least_factor)) return;
    least = std::move(errors);
    best = {.options = options, .graph = std::move(graph), .report = std::move(report), .sensitive = {}};
  };
  attempt(best.options);
  QuantizeOptions usual = best.options;
  if (open_range)
    for (RangeMethod range : {RangeMethod::mse, RangeMethod::mean_min_max}) {
      usual.range = range;
      attempt(usual, best.options.range == RangeMethod::min_max ? clipping_gain : 1);
    }
  usual = best.options;
  // The full correction makes the mean of the outputs right, which this error rewards more than accuracy does.
  if (open_bias) {
    usual.bias_correction = BiasCorrection::none;
    attempt(usual);
  }
  // What few samples say of correlations may be wrong, and weights that lie on a grid already have nothing to gain.
  usual = best.options;
  if (std::exchange(usual.error_feedback, false)) attempt(usual);
  progress.end();
  prepared_.tried = best.report.tried = tried;
  best.options.adaptive_rounding = rounds;
  if (rounds) best.graph.reset();
}

}  // namespace hone
