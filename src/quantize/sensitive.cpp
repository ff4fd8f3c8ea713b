#include <algorithm>

#include "quantize/quantizer.hpp"
#include "quantize/trials.hpp"

// A few layers can make most of the noise: the first ones of a narrow network, or those behind a sum with outliers.
// Where they are a small part of the work, they stay FP32.
namespace hone {

namespace {

constexpr double enough_db = 15;     // outputs as near to FP32's need no help
constexpr double least_gain_db = 2;  // in all: less changes no answers, but costs time
constexpr double least_step_db = 0.3;
constexpr size_t most_parts = 8, most_searched = 3, most_tried = 8;

struct Candidate {
  std::vector<std::string> units;
  double gain_db = 0;  // when these alone are FP32
};

}  // namespace

class SensitiveSearch {
 public:
  SensitiveSearch(Quantizer& quantizer, Quantizer::Decision& decision, const Trials& trials)
      : quantizer_(quantizer), decision_(decision), trials_(trials), options_(decision.options) {
    options_.adaptive_rounding = false;  // slow, and no reason to choose otherwise
  }

  void run(Progress& progress) {
    if (!decision_.graph) decision_.graph = quantizer_.make(options_, {}, &decision_.report, no_progress());
    least_ = trials_.errors_of(*decision_.graph);
    const double before = Trials::sqnr_db(least_);
    if (before >= enough_db) return;
    for (const std::string& unit : quantizer_.units()) all_macs_ += quantizer_.macs(unit);
    std::vector<Candidate> parts = in_parts(quantizer_.units());
    progress.begin("find sensitive layers", static_cast<int64_t>(parts.size()));
    std::vector<Candidate> singles = single_units(std::move(parts), before, progress);
    const std::vector<Trials::Errors> at_first = least_;
    std::map<std::string, double> kept = greedy(singles, before);
    progress.end();
    if (kept.empty() || sqnr_ - before < least_gain_db || !Trials::clearly_better(least_, at_first)) return;
    decision_.sensitive = std::move(kept);
    decision_.graph = std::move(best_);
    decision_.report = std::move(report_);
  }

 private:
  double share(const std::string& unit) const { return all_macs_ > 0 ? quantizer_.macs(unit) / all_macs_ : 0; }

  static std::vector<Candidate> in_parts(const std::vector<std::string>& units) {
    const size_t count = std::min(most_parts, units.size());
    std::vector<Candidate> parts(count);
    for (size_t i = 0; i < units.size(); ++i) parts[i * count / units.size()].units.push_back(units[i]);
    return parts;
  }

  void measure(std::vector<Candidate>& candidates, double before, Progress& progress) {
    int64_t done = 0;
    for (Candidate& candidate : candidates) {
      Graph graph = quantizer_.make(options_, {candidate.units.begin(), candidate.units.end()}, nullptr, no_progress());
      candidate.gain_db = Trials::sqnr_db(trials_.errors_of(graph)) - before;
      progress.update(++done);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.gain_db > b.gain_db; });
  }

  // The layers and operations of the parts that gain most, best first: measuring all would take long in deep networks.
  std::vector<Candidate> single_units(std::vector<Candidate> parts, double before, Progress& progress) {
    measure(parts, before, progress);
    std::vector<Candidate> singles;
    for (size_t i = 0; i < std::min(most_searched, parts.size()); ++i) {
      if (parts[i].gain_db < least_step_db) break;
      for (const std::string& unit : parts[i].units)
        if (share(unit) <= options_.sensitive_share) singles.push_back({{unit}, 0});
    }
    progress.end();
    progress.begin("rank sensitive layers", static_cast<int64_t>(singles.size()));
    measure(singles, before, progress);
    return singles;
  }

  // Adds one after the other while the outputs come clearly nearer; the gain of each.
  std::map<std::string, double> greedy(const std::vector<Candidate>& singles, double before) {
    std::map<std::string, double> kept;
    std::set<std::string> names;
    double used = 0;
    sqnr_ = before;
    size_t tried = 0;
    for (const Candidate& candidate : singles) {
      const std::string& unit = candidate.units[0];
      if (candidate.gain_db < least_step_db / 2 || tried == most_tried) break;
      if (used + share(unit) > options_.sensitive_share) continue;
      ++tried;
      names.insert(unit);
      QuantizeReport report;
      Graph graph = quantizer_.make(options_, names, &report, no_progress());
      std::vector<Trials::Errors> errors = trials_.errors_of(graph);
      const double sqnr = Trials::sqnr_db(errors);
      if (sqnr < sqnr_ + least_step_db) {
        names.erase(unit);
        continue;
      }
      kept[unit] = sqnr - sqnr_;
      sqnr_ = sqnr, used += share(unit);
      least_ = std::move(errors);
      best_ = std::move(graph), report_ = std::move(report);
    }
    return kept;
  }

  Quantizer& quantizer_;
  Quantizer::Decision& decision_;
  const Trials& trials_;
  QuantizeOptions options_;
  double all_macs_ = 0, sqnr_ = 0;
  std::vector<Trials::Errors> least_;  // of the best so far, which these are
  std::optional<Graph> best_;
  QuantizeReport report_;
};

void Quantizer::find_sensitive(Decision& decision, const Trials& trials, Progress& progress) {
  SensitiveSearch(*this, decision, trials).run(progress);
  if (decision.options.adaptive_rounding) decision.graph.reset();
}

}  // namespace hone
