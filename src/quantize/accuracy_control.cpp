#include "quantize/accuracy_control.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "quantize/quantizer.hpp"
#include "quantize/search_state.hpp"
#include "tensor/signal_noise.hpp"

namespace hone {

namespace {

void check_options(const AccuracyOptions& control) {
  if (!(control.max_drop >= 0))
    throw Error("quantize", fmt::format("max_drop is {}, expected 0 or more", control.max_drop));
  if (control.ranking_subset < 1)
    throw Error("quantize", fmt::format("ranking subset is {}, expected at least 1", control.ranking_subset));
}

// Stands for model and options: the state of one search is no help to another.
std::string key_of(const Quantizer& quantizer, const QuantizeOptions& options, const AccuracyOptions& control) {
  std::set<std::string> facts;
  for (const std::string& unit : quantizer.units()) facts.insert(unit);
  for (const Value* constant : quantizer.exact().constants())
    if (constant->dtype() == DType::f32 && constant->constant().size() > 0)
      facts.insert(fmt::format("{} {}", constant->name, constant->constant().data<float>()[0]));
  facts.insert(fmt::format("options {} {} {} {} {} {} {} {} {} {} {} {}", static_cast<int>(options.range),
                           options.percentile, static_cast<int>(options.activations), options.subset_size,
                           static_cast<int>(options.bias_correction), 0, options.equalize,
                           options.smooth_alpha, options.adaptive_rounding, static_cast<int>(options.saturation_fix),
                           control.ranking_subset, control.rank_by_metric));
  facts.insert(fmt::format("methods {} {} {}", options.align_channels, options.batch_norm_statistics,
                           static_cast<bool>(control.sampling_error)));
  double sum = 0;
  for (const Tensor& tensor : quantizer.samples().kept()[0])
    if (tensor.size() > 0) sum += tensor.to_floats()[static_cast<size_t>(tensor.size() / 2)];
  facts.insert(fmt::format("data {} {}", quantizer.samples().kept().size(), sum));
  return SearchState::name_of(facts);
}

class Search {
 public:
  Search(Quantizer& quantizer, const Validate& validate, const QuantizeOptions& options, const AccuracyOptions& control,
         AccuracyReport& report, Progress& progress)
      : quantizer_(quantizer), validate_(validate), options_(options), control_(control), report_(report),
        progress_(progress), state_(control.state_file, key_of(quantizer, options, control)) {}

  std::set<std::string> run() {
    if (state_.resumed()) say(fmt::format("goes on from '{}'", control_.state_file.string()));
    report_.fp32 = accuracy("fp32", [&] { return validated(quantizer_.exact()); });
    report_.int8 = report_.accuracy = accuracy_of({});
    if (control_.sampling_error) report_.sampling_error = accuracy("sampling error", control_.sampling_error);
    if (report_.sampling_error > allowed_drop())
      say(fmt::format("a drop of less than {:.4f} cannot be told from chance on these samples",
                      report_.sampling_error));
    say(fmt::format("fp32 {:.4f}, int8 {:.4f}, allowed {:.4f}", report_.fp32, report_.int8, least()));
    std::set<std::string> reverted;
    if (!is_met(report_.int8)) {
      rank();
      reverted = restore(revert());
    }
    report_.met = is_met(report_.accuracy);
    for (const std::string& unit : report_.ranking)
      if (reverted.count(unit)) report_.reverted.push_back(unit);
    state_.finish();
    return reverted;
  }

 private:
  double allowed_drop() const {
    return control_.max_drop * (control_.drop_type == DropType::relative ? std::fabs(report_.fp32) : 1);
  }
  double least() const { return report_.fp32 - std::max(allowed_drop(), report_.sampling_error); }
  // Sums of floats that should be equal may differ in their last digits.
  bool is_met(double accuracy) const { return accuracy >= least() - 1e-9; }
  void say(const std::string& line) const {
    if (control_.on_step) control_.on_step(line);
  }

  template <class Measure>
  double accuracy(const std::string& what, Measure measure) {
    check_interrupt("quantize");
    if (auto known = state_.accuracy(what)) return *known;
    double found = measure();
    if (!std::isfinite(found))
      throw Error("quantize", fmt::format("the validation gave {}", found), "expected a finite number");
    state_.set_accuracy(what, found);
    return found;
  }
  double accuracy_of(const std::set<std::string>& reverted) {
    return accuracy(SearchState::name_of(reverted), [&] { return validated(build(reverted)); });
  }
  double validated(const Graph& graph) {
    ++report_.validations;
    return validate_(graph);
  }
  Graph build(const std::set<std::string>& reverted) {
    return quantizer_.build(options_, reverted, nullptr, no_progress());
  }

  size_t ranking_samples() const {
    return std::min(static_cast<size_t>(control_.ranking_subset), quantizer_.samples().kept().size());
  }

  std::vector<std::vector<Tensor>> outputs_of(const Graph& graph) const {
    RunModel run = quantizer_.make_runner()(graph);
    std::vector<std::vector<Tensor>> outputs;
    for (size_t i = 0; i < ranking_samples(); ++i) outputs.push_back(run(quantizer_.samples().kept()[i]));
    return outputs;
  }

  // Squared difference of each output from that of fp32 relative to its size, added over outputs and samples.
  double difference(const Graph& graph) {
    if (exact_.empty()) exact_ = outputs_of(quantizer_.exact());
    auto outputs = outputs_of(graph);
    double sum = 0;
    for (size_t s = 0; s < outputs.size(); ++s)
      for (size_t o = 0; o < outputs[s].size(); ++o) {
        SignalNoise part;
        if (part.add(exact_[s][o], outputs[s][o])) sum += part.relative_error();
      }
    return sum;
  }

  void rank() {
    std::vector<std::string> units = quantizer_.units();
    progress_.begin("rank units", static_cast<int64_t>(units.size()));
    std::vector<std::pair<double, std::string>> scored;
    for (const std::string& unit : units) {
      check_interrupt("quantize");
      auto score = state_.score(unit);
      if (!score) {
        score = control_.rank_by_metric ? -accuracy_of({unit}) : difference(build({unit}));
        state_.set_score(unit, *score);
      }
      scored.emplace_back(*score, unit);
      progress_.update(static_cast<int64_t>(scored.size()), unit);
    }
    progress_.end();
    std::stable_sort(scored.begin(), scored.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (auto& [score, unit] : scored) report_.ranking.push_back(unit);
  }

  // Returns the smallest set of the first units of the ranking that meets the drop, else the best one seen.
  std::set<std::string> revert() {
    std::set<std::string> reverted, best;
    double best_accuracy = report_.int8;
    int iterations = 0;
    for (const std::string& unit : report_.ranking) {
      if (control_.max_iterations > 0 && iterations++ >= control_.max_iterations) break;
      reverted.insert(unit);
      double found = all_reverted(reverted) ? report_.fp32 : accuracy_of(reverted);
      say(fmt::format("reverted {} '{}': {:.4f}", reverted.size(), unit, found));
      if (found > best_accuracy) best_accuracy = found, best = reverted;
      if (is_met(found)) break;
    }
    report_.accuracy = best_accuracy;
    return best;
  }
  // A model without any int8 node is the fp32 model.
  bool all_reverted(const std::set<std::string>& reverted) const { return reverted.size() == report_.ranking.size(); }

  std::set<std::string> restore(std::set<std::string> reverted) {
    if (!is_met(report_.accuracy) || reverted.size() < 2) return reverted;
    std::vector<std::string> order;
    for (const std::string& unit : report_.ranking)
      if (reverted.count(unit)) order.push_back(unit);
    // The last one was what met the drop.
    if (!all_reverted(reverted)) order.pop_back();
    for (auto unit = order.rbegin(); unit != order.rend(); ++unit) {
      std::set<std::string> fewer = reverted;
      fewer.erase(*unit);
      double found = accuracy_of(fewer);
      say(fmt::format("quantized '{}' again: {:.4f}{}", *unit, found, is_met(found) ? "" : ", not enough"));
      if (!is_met(found)) continue;
      reverted = fewer;
      report_.accuracy = found;
      report_.restored.push_back(*unit);
    }
    return reverted;
  }

  Quantizer& quantizer_;
  const Validate& validate_;
  const QuantizeOptions& options_;
  const AccuracyOptions& control_;
  AccuracyReport& report_;
  Progress& progress_;
  SearchState state_;
  std::vector<std::vector<Tensor>> exact_;
};

}  // namespace

Graph quantize_with_accuracy_control(const Graph& model, const CalibrationSource& calibration,
                                     const MakeRunner& make_runner, const Validate& validate,
                                     const QuantizeOptions& given, const AccuracyOptions& control,
                                     AccuracyReport* report, Progress& progress) {
  auto start = std::chrono::steady_clock::now();
  check_options(control);
  // What stays FP32 is decided by the metric here.
  QuantizeOptions options = given;
  options.sensitive_share = 0;
  Quantizer quantizer(model, calibration, make_runner, options, progress, true);
  AccuracyReport filled;
  Graph result;
  try {
    std::set<std::string> reverted = Search(quantizer, validate, options, control, filled, progress).run();
    bool nothing_left = !filled.ranking.empty() && reverted.size() == filled.ranking.size();
    result = nothing_left ? quantizer.exact().clone() : quantizer.build(options, reverted, &filled.quantize, progress);
  } catch (const Interrupted& interrupted) {
    if (control.state_file.empty()) throw;
    throw Interrupted(interrupted.place(),
                      "start again with the same options to go on from '" + control.state_file.string() + "'");
  }
  filled.quantize.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (report) *report = std::move(filled);
  return result;
}

}  // namespace hone
