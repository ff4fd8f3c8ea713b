#include "data/metrics/segmentation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "data/dataset.hpp"

namespace hone {

namespace {
double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }
}  // namespace

void SegmentationMatrix::add(std::span<const uint8_t> truth, std::span<const uint8_t> predicted) {
  if (truth.size() != predicted.size())
    throw Error("segmentation", fmt::format("{} pixels of truth but {} predicted", truth.size(), predicted.size()));
  std::vector<int64_t> counts(256 * 256, 0);
  for (size_t i = 0; i < truth.size(); ++i) ++counts[size_t{truth[i]} << 8 | predicted[i]];
  for (size_t pair = 0; pair < counts.size(); ++pair)
    if (counts[pair] > 0 && (pair >> 8) != mask_ignore)
      confusion_.add(static_cast<int>(pair >> 8), static_cast<int>(pair & 255), counts[pair]);
}

std::vector<SegmentationScore> SegmentationMatrix::per_class() const {
  int classes = confusion_.classes();
  std::vector<SegmentationScore> scores(static_cast<size_t>(classes));
  for (int c = 0; c < classes; ++c) {
    double truth = 0, predicted = 0, right = static_cast<double>(confusion_.at(c, c));
    for (int other = 0; other < classes; ++other) {
      truth += static_cast<double>(confusion_.at(c, other));
      predicted += static_cast<double>(confusion_.at(other, c));
    }
    SegmentationScore& score = scores[static_cast<size_t>(c)];
    score.iou = ratio(right, truth + predicted - right);
    score.dice = ratio(2 * right, truth + predicted);
    score.recall = ratio(right, truth);
    score.precision = ratio(right, predicted);
    score.pixels = static_cast<int64_t>(truth);
    score.occurs = truth + predicted > 0;
  }
  return scores;
}

double SegmentationMatrix::mean_iou() const {
  double sum = 0;
  int count = 0;
  for (const SegmentationScore& score : per_class())
    if (score.pixels > 0) sum += score.iou, ++count;
  return ratio(sum, count);
}

double SegmentationMatrix::mean_dice() const {
  double sum = 0;
  int count = 0;
  for (const SegmentationScore& score : per_class())
    if (score.pixels > 0) sum += score.dice, ++count;
  return ratio(sum, count);
}

std::vector<double> multi_label_precisions(const Tensor& scores, std::span<const std::vector<int>> labels) {
  if (scores.dtype() != DType::f32 || scores.rank() != 2 || scores.dim(0) != static_cast<int64_t>(labels.size()))
    throw Error("multi-label precision", fmt::format("expected scores f32 [{}, C], got {} {}", labels.size(),
                                                     name_of(scores.dtype()), to_string(scores.dims())));
  auto rows = static_cast<size_t>(scores.dim(0)), classes = static_cast<size_t>(scores.dim(1));
  auto values = scores.data<float>();
  std::vector<double> precisions;
  for (size_t c = 0; c < classes; ++c) {
    std::vector<size_t> order(rows);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return values[a * classes + c] > values[b * classes + c]; });
    auto holds = [&](size_t row) {
      return std::find(labels[row].begin(), labels[row].end(), static_cast<int>(c)) != labels[row].end();
    };
    double total = static_cast<double>(std::count_if(order.begin(), order.end(), holds));
    double right = 0, previous = 0, sum = 0;
    for (size_t i = 0; i < rows; ++i) {
      right += holds(order[i]);
      bool tied = i + 1 < rows && values[order[i + 1] * classes + c] == values[order[i] * classes + c];
      if (tied || total == 0) continue;
      sum += (right / total - previous) * right / static_cast<double>(i + 1);
      previous = right / total;
    }
    precisions.push_back(total > 0 ? sum : -1);
  }
  return precisions;
}

double multi_label_map(const Tensor& scores, std::span<const std::vector<int>> labels) {
  double sum = 0;
  int count = 0;
  for (double precision : multi_label_precisions(scores, labels))
    if (precision >= 0) sum += precision, ++count;
  return ratio(sum, count);
}

}  // namespace hone
