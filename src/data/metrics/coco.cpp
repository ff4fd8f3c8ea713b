#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "data/metrics/detection.hpp"

namespace hone {

namespace {
constexpr size_t thresholds = 10, recalls = 101, most_detections = 100;
constexpr std::array<size_t, 3> detection_limits = {1, 10, 100};
struct Range {
  double low, high;
};
constexpr std::array<Range, 4> ranges = {Range{0, 1e10}, Range{0, 1024}, Range{1024, 9216}, Range{9216, 1e10}};

/// As numpy's linspace computes it.
double threshold_at(size_t i) { return i + 1 == thresholds ? 0.95 : 0.5 + static_cast<double>(i) * ((0.95 - 0.5) / 9); }
double recall_at(size_t i) { return i + 1 == recalls ? 1.0 : static_cast<double>(i) * (1.0 / 100); }

struct Truth {
  const Annotation* object;
  Rle mask;
  double area = 0;
};
struct Found {
  const Detection* detection;
  double area = 0;
};

/// One image and class: objects, detections with the best first, and their IoU.
struct Cell {
  std::vector<Truth> truths;
  std::vector<Found> found;
  std::vector<std::vector<double>> iou;  // [found][truth]
};

/// What happened to the detections of a cell for one range of sizes.
struct Outcome {
  std::vector<double> scores;
  std::array<std::vector<char>, thresholds> matched, ignored;
  int64_t counted = 0;  // objects that are to be found
};

double crowd_iou(double common, double found, double truth, bool crowd) {
  double all = crowd ? found : found + truth - common;
  return all > 0 ? common / all : 0;
}

void measure_overlaps(Cell& cell, bool masks) {
  for (const Found& one : cell.found) {
    std::vector<double>& row = cell.iou.emplace_back();
    for (const Truth& truth : cell.truths) {
      const Annotation& object = *truth.object;
      if (masks)
        row.push_back(crowd_iou(static_cast<double>(intersection(one.detection->mask, truth.mask)),
                                static_cast<double>(area(one.detection->mask)), static_cast<double>(area(truth.mask)),
                                object.crowd));
      else
        row.push_back(crowd_iou(intersection(one.detection->box, object.box), one.detection->box.area(),
                                object.box.area(), object.crowd));
    }
  }
}

Outcome match(const Cell& cell, const Range& range) {
  Outcome outcome;
  size_t n = cell.truths.size();
  std::vector<char> ignore(n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t g = 0; g < n; ++g) {
    ignore[g] = cell.truths[g].object->crowd || cell.truths[g].area < range.low || cell.truths[g].area > range.high;
    outcome.counted += !ignore[g];
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ignore[a] < ignore[b]; });
  for (const Found& one : cell.found) outcome.scores.push_back(one.detection->score);
  for (size_t t = 0; t < thresholds; ++t) {
    std::vector<char> taken(n, 0);
    for (size_t d = 0; d < cell.found.size(); ++d) {
      double best = std::min(threshold_at(t), 1 - 1e-10);
      size_t chosen = n;
      for (size_t g : order) {
        bool crowd = cell.truths[g].object->crowd;
        if (taken[g] && !crowd) continue;
        // Objects that count come first; once one matched, those to ignore are not looked at.
        if (chosen < n && !ignore[chosen] && ignore[g]) break;
        if (cell.iou[d][g] < best) continue;
        best = cell.iou[d][g];
        chosen = g;
      }
      bool outside = cell.found[d].area < range.low || cell.found[d].area > range.high;
      outcome.matched[t].push_back(chosen < n);
      outcome.ignored[t].push_back(chosen < n ? ignore[chosen] : static_cast<char>(outside));
      if (chosen < n) taken[chosen] = 1;
    }
  }
  return outcome;
}

/// Mean precision over the recalls, and the recall reached.
struct Curve {
  double precision = 0, recall = 0;
};

Curve curve_of(const std::vector<Outcome>& outcomes, size_t t, size_t limit, int64_t counted) {
  std::vector<std::pair<double, std::pair<char, char>>> all;  // score, matched, ignored
  for (const Outcome& outcome : outcomes)
    for (size_t d = 0; d < std::min(limit, outcome.scores.size()); ++d)
      all.push_back({outcome.scores[d], {outcome.matched[t][d], outcome.ignored[t][d]}});
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<double> recall, precision;
  double right = 0, wrong = 0;
  for (const auto& [score, flags] : all) {
    if (!flags.second) (flags.first ? right : wrong) += 1;
    recall.push_back(right / static_cast<double>(counted));
    precision.push_back(right / (wrong + right + std::numeric_limits<double>::epsilon()));
  }
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  Curve curve;
  curve.recall = recall.empty() ? 0 : recall.back();
  for (size_t r = 0; r < recalls; ++r) {
    auto at = std::lower_bound(recall.begin(), recall.end(), recall_at(r)) - recall.begin();
    if (at < static_cast<std::ptrdiff_t>(precision.size())) curve.precision += precision[static_cast<size_t>(at)];
  }
  curve.precision /= static_cast<double>(recalls);
  return curve;
}

using Cells = std::vector<std::map<int, Cell>>;  // [class][image]

Cells make_cells(const Dataset& truth, std::span<const Detection> detections, bool masks) {
  Cells cells(truth.classes.size());
  for (size_t i = 0; i < truth.samples.size(); ++i)
    for (const Annotation& object : truth.samples[i].objects) {
      Truth one{&object, {}, object.area};
      if (masks) one.mask = mask_of(object, truth.samples[i].size.height, truth.samples[i].size.width);
      if (one.area <= 0) one.area = masks ? static_cast<double>(area(one.mask)) : object.box.area();
      cells.at(static_cast<size_t>(object.label))[static_cast<int>(i)].truths.push_back(std::move(one));
    }
  for (const Detection& detection : detections) {
    if (detection.label < 0 || detection.label >= static_cast<int>(cells.size()) || detection.image < 0 ||
        detection.image >= static_cast<int>(truth.samples.size()))
      throw Error("detections", fmt::format("class {} in image {}, expected below {} and {}", detection.label,
                                            detection.image, cells.size(), truth.samples.size()));
    double size = masks ? static_cast<double>(area(detection.mask)) : detection.box.area();
    cells[static_cast<size_t>(detection.label)][detection.image].found.push_back({&detection, size});
  }
  for (auto& images : cells)
    for (auto& [image, cell] : images) {
      std::stable_sort(cell.found.begin(), cell.found.end(),
                       [](const Found& a, const Found& b) { return a.detection->score > b.detection->score; });
      if (cell.found.size() > most_detections) cell.found.resize(most_detections);
      measure_overlaps(cell, masks);
    }
  return cells;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (double value : values)
    if (value > -1) sum += value, ++count;
  return count ? sum / static_cast<double>(count) : -1;
}

/// Averages over the classes where there is something to find, for one range and limit.
struct Summary {
  std::vector<double> precision, recall, precision50, precision75;
};

Summary summarize(const Cells& cells, const Range& range, size_t limit) {
  Summary summary;
  for (const auto& images : cells) {
    std::vector<Outcome> outcomes;
    int64_t counted = 0;
    for (const auto& [image, cell] : images) {
      outcomes.push_back(match(cell, range));
      counted += outcomes.back().counted;
    }
    double precision = 0, recall = 0, p50 = -1, p75 = -1;
    for (size_t t = 0; t < thresholds && counted > 0; ++t) {
      Curve curve = curve_of(outcomes, t, limit, counted);
      precision += curve.precision / thresholds;
      recall += curve.recall / thresholds;
      if (t == 0) p50 = curve.precision;
      if (t == 5) p75 = curve.precision;
    }
    summary.precision.push_back(counted > 0 ? precision : -1);
    summary.recall.push_back(counted > 0 ? recall : -1);
    summary.precision50.push_back(p50);
    summary.precision75.push_back(p75);
  }
  return summary;
}
}  // namespace

CocoScores coco_scores(const Dataset& truth, std::span<const Detection> detections, bool masks) {
  Cells cells = make_cells(truth, detections, masks);
  CocoScores scores;
  Summary all = summarize(cells, ranges[0], 100);
  scores.class_ap = all.precision;
  scores.class_ap50 = all.precision50;
  scores.ap = mean_of(all.precision);
  scores.ap50 = mean_of(all.precision50);
  scores.ap75 = mean_of(all.precision75);
  scores.ar100 = mean_of(all.recall);
  scores.ar1 = mean_of(summarize(cells, ranges[0], detection_limits[0]).recall);
  scores.ar10 = mean_of(summarize(cells, ranges[0], detection_limits[1]).recall);
  double* aps[] = {&scores.ap_small, &scores.ap_medium, &scores.ap_large};
  double* ars[] = {&scores.ar_small, &scores.ar_medium, &scores.ar_large};
  for (size_t i = 0; i < 3; ++i) {
    Summary part = summarize(cells, ranges[i + 1], 100);
    *aps[i] = mean_of(part.precision);
    *ars[i] = mean_of(part.recall);
  }
  return scores;
}

}  // namespace hone
