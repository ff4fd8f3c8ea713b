#include "data/metrics/multi_label.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

/// sum over thresholds of (recall - recall before) * precision; -1 without a positive.
double average_precision(const std::vector<std::vector<float>>& scores, const std::vector<std::vector<float>>& truth, size_t label) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a][label] > scores[b][label]; });
  double positives = 0;
  for (const auto& row : truth) positives += row[label] > 0.5f;
  if (positives == 0) return -1;
  double area = 0, right = 0, before = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    right += truth[order[i]][label] > 0.5f;
    bool tie = i + 1 < order.size() && scores[order[i + 1]][label] == scores[order[i]][label];
    if (tie) continue;
    area += (right - before) / positives * right / static_cast<double>(i + 1);
    before = right;
  }
  return area;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

MultiLabelScores multi_label_scores(const std::vector<std::vector<float>>& scores, const std::vector<std::vector<float>>& truth,
                                    float threshold) {
  if (scores.size() != truth.size())
    throw Error("multi-label scores", fmt::format("got {} images, the truth has {}", scores.size(), truth.size()));
  MultiLabelScores result;
  if (scores.empty()) return result;
  size_t classes = scores[0].size();
  double hits = 0, found = 0, wanted = 0, exact = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].size() != classes || truth[i].size() != classes)
      throw Error("multi-label scores", fmt::format("image {} has {} scores and {} truths, expected {}", i, scores[i].size(), truth[i].size(), classes));
    bool same = true;
    for (size_t c = 0; c < classes; ++c) {
      bool yes = scores[i][c] > threshold, holds = truth[i][c] > 0.5f;
      hits += yes && holds;
      found += yes;
      wanted += holds;
      same &= yes == holds;
    }
    exact += same;
  }
  double sum = 0, counted = 0;
  for (size_t c = 0; c < classes; ++c) {
    result.average_precision.push_back(average_precision(scores, truth, c));
    if (result.average_precision.back() >= 0) sum += result.average_precision.back(), ++counted;
  }
  result.mean_average_precision = ratio(sum, counted);
  result.precision = ratio(hits, found);
  result.recall = ratio(hits, wanted);
  result.f1 = ratio(2 * result.precision * result.recall, result.precision + result.recall);
  result.exact = exact / static_cast<double>(scores.size());
  return result;
}

}  // namespace hone
