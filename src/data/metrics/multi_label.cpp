#include "data/metrics/multi_label.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

void MultiLabelCounts::add(std::span<const float> probabilities, std::span<const int> labels) {
  if (probabilities.size() != counts_.size())
    throw Error("multi-label answer",
                fmt::format("{} probabilities for {} classes", probabilities.size(), counts_.size()));
  std::vector<bool> holds(counts_.size(), false);
  for (int label : labels) {
    if (label < 0 || static_cast<size_t>(label) >= counts_.size())
      throw Error("label", fmt::format("{} is no class, there are 0 to {}", label, counts_.size() - 1));
    holds[static_cast<size_t>(label)] = true;
  }
  bool exact = true;
  for (size_t c = 0; c < counts_.size(); ++c) {
    bool answered = probabilities[c] >= threshold_;
    counts_[c].truth += holds[c];
    counts_[c].answered += answered;
    counts_[c].right += answered && holds[c];
    exact = exact && answered == holds[c];
  }
  exact_ += exact;
  ++images_;
}

ClassScore MultiLabelCounts::score_of(const Counts& counts) {
  auto ratio = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  auto right = static_cast<double>(counts.right), answered = static_cast<double>(counts.answered),
       truth = static_cast<double>(counts.truth);
  return {ratio(right, answered), ratio(right, truth), ratio(2 * right, answered + truth), counts.truth};
}

std::vector<ClassScore> MultiLabelCounts::per_class() const {
  std::vector<ClassScore> scores;
  for (const Counts& counts : counts_) scores.push_back(score_of(counts));
  return scores;
}

ClassScore MultiLabelCounts::micro() const {
  Counts all;
  for (const Counts& counts : counts_)
    all.right += counts.right, all.answered += counts.answered, all.truth += counts.truth;
  return score_of(all);
}

double MultiLabelCounts::macro_f1() const {
  double sum = 0;
  int64_t occurring = 0;
  for (const ClassScore& score : per_class())
    if (score.support > 0) sum += score.f1, ++occurring;
  return occurring ? sum / static_cast<double>(occurring) : 0;
}

double MultiLabelCounts::exact_match() const {
  return images_ ? static_cast<double>(exact_) / static_cast<double>(images_) : 0;
}

}  // namespace hone
