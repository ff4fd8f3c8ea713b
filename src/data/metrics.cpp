#include "data/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "tensor/signal_noise.hpp"

namespace hone {

namespace {
struct Rows {
  std::span<const float> values;
  int64_t rows = 0;
  int64_t columns = 0;
  std::span<const float> operator[](int64_t row) const {
    return values.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
  }
};

Rows rows_of(const Tensor& scores, const char* place) {
  const Dims& dims = scores.dims();
  bool flat = dims.size() >= 2 && std::all_of(dims.begin() + 2, dims.end(), [](int64_t size) { return size == 1; });
  if (scores.dtype() != DType::f32 || !flat)
    throw Error(place, fmt::format("expected scores f32 [N, C], got {} {}", name_of(scores.dtype()), to_string(dims)));
  return {scores.data<float>(), dims[0], dims[1]};
}

Rows labelled_rows(const Tensor& scores, std::span<const int> labels, const char* place) {
  Rows rows = rows_of(scores, place);
  if (static_cast<int64_t>(labels.size()) != rows.rows)
    throw Error(place, fmt::format("{} rows of scores but {} labels", rows.rows, labels.size()));
  return rows;
}

/// A strict order of values in which NaN is below everything.
float rank_value(float value) { return std::isnan(value) ? -std::numeric_limits<float>::infinity() : value; }

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }
}  // namespace

ConfusionMatrix::ConfusionMatrix(int classes) : classes_(classes) {
  if (classes < 1) throw Error("confusion matrix", fmt::format("expected at least one class, got {}", classes));
  counts_.assign(static_cast<size_t>(classes) * static_cast<size_t>(classes), 0);
}

void ConfusionMatrix::add(int truth, int predicted, int64_t count) {
  if (truth < 0 || truth >= classes_ || predicted < 0 || predicted >= classes_)
    throw Error("confusion matrix", fmt::format("truth {} and prediction {} must be below the number of classes, {}",
                                                truth, predicted, classes_));
  counts_[static_cast<size_t>(truth) * static_cast<size_t>(classes_) + static_cast<size_t>(predicted)] += count;
}

int64_t ConfusionMatrix::at(int truth, int predicted) const {
  return counts_.at(static_cast<size_t>(truth) * static_cast<size_t>(classes_) + static_cast<size_t>(predicted));
}

int64_t ConfusionMatrix::total() const { return std::accumulate(counts_.begin(), counts_.end(), int64_t{0}); }

double ConfusionMatrix::accuracy() const {
  int64_t right = 0;
  for (int i = 0; i < classes_; ++i) right += at(i, i);
  return ratio(static_cast<double>(right), static_cast<double>(total()));
}

std::vector<ClassScore> ConfusionMatrix::per_class() const {
  std::vector<ClassScore> scores(static_cast<size_t>(classes_));
  for (int c = 0; c < classes_; ++c) {
    int64_t predicted = 0;
    ClassScore& score = scores[static_cast<size_t>(c)];
    for (int other = 0; other < classes_; ++other) {
      predicted += at(other, c);
      score.support += at(c, other);
    }
    auto right = static_cast<double>(at(c, c));
    score.precision = ratio(right, static_cast<double>(predicted));
    score.recall = ratio(right, static_cast<double>(score.support));
    score.f1 = ratio(2 * right, static_cast<double>(predicted + score.support));
  }
  return scores;
}

double ConfusionMatrix::balanced_accuracy() const {
  double sum = 0;
  int present = 0;
  for (const ClassScore& score : per_class()) {
    if (score.support == 0) continue;
    sum += score.recall;
    ++present;
  }
  return ratio(sum, present);
}

double ConfusionMatrix::macro_f1() const {
  double sum = 0;
  int present = 0;
  for (const ClassScore& score : per_class()) {
    if (score.support == 0) continue;
    sum += score.f1;
    ++present;
  }
  return ratio(sum, present);
}

std::vector<float> softmax(std::span<const float> logits) {
  std::vector<float> result(logits.size());
  if (logits.empty()) return result;
  float largest =
      *std::max_element(logits.begin(), logits.end(), [](float a, float b) { return rank_value(a) < rank_value(b); });
  double sum = 0;
  std::vector<double> exponentials(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    // Equal to the largest also covers an infinite largest, where the difference would be NaN.
    exponentials[i] = logits[i] == largest ? 1 : std::exp(static_cast<double>(logits[i]) - largest);
    sum += exponentials[i];
  }
  for (size_t i = 0; i < logits.size(); ++i) result[i] = static_cast<float>(exponentials[i] / sum);
  return result;
}

Tensor softmax(const Tensor& logits) {
  Rows rows = rows_of(logits, "softmax");
  Tensor result(DType::f32, {rows.rows, rows.columns});
  auto out = result.mutable_data<float>();
  for (int64_t row = 0; row < rows.rows; ++row) {
    std::vector<float> values = softmax(rows[row]);
    std::copy(values.begin(), values.end(), out.begin() + row * rows.columns);
  }
  return result;
}

int argmax(std::span<const float> values) {
  int best = values.empty() ? -1 : 0;
  for (size_t i = 1; i < values.size(); ++i)
    if (rank_value(values[i]) > rank_value(values[static_cast<size_t>(best)])) best = static_cast<int>(i);
  return best;
}

std::vector<int> top_k(std::span<const float> values, int k) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  auto count = static_cast<std::ptrdiff_t>(std::min<size_t>(values.size(), static_cast<size_t>(std::max(k, 0))));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
    float left = rank_value(values[static_cast<size_t>(a)]), right = rank_value(values[static_cast<size_t>(b)]);
    return left != right ? left > right : a < b;
  });
  order.resize(static_cast<size_t>(count));
  return order;
}

double top_k_accuracy(const Tensor& scores, std::span<const int> labels, int k) {
  Rows rows = labelled_rows(scores, labels, "top-k accuracy");
  int64_t right = 0;
  for (int64_t row = 0; row < rows.rows; ++row) {
    std::vector<int> best = top_k(rows[row], k);
    if (std::find(best.begin(), best.end(), labels[static_cast<size_t>(row)]) != best.end()) ++right;
  }
  return ratio(static_cast<double>(right), static_cast<double>(rows.rows));
}

ConfusionMatrix confusion_matrix(const Tensor& scores, std::span<const int> labels) {
  Rows rows = labelled_rows(scores, labels, "confusion matrix");
  ConfusionMatrix matrix(static_cast<int>(rows.columns));
  for (int64_t row = 0; row < rows.rows; ++row) matrix.add(labels[static_cast<size_t>(row)], argmax(rows[row]));
  return matrix;
}

double agreement(const Tensor& a, const Tensor& b) {
  Rows left = rows_of(a, "agreement"), right = rows_of(b, "agreement");
  if (left.rows != right.rows || left.columns != right.columns)
    throw Error("agreement",
                fmt::format("expected scores of one shape, got {} and {}", to_string(a.dims()), to_string(b.dims())));
  int64_t same = 0;
  for (int64_t row = 0; row < left.rows; ++row) same += argmax(left[row]) == argmax(right[row]);
  return ratio(static_cast<double>(same), static_cast<double>(left.rows));
}

double sqnr_db(std::span<const float> reference, std::span<const float> test) {
  if (reference.size() != test.size())
    throw Error("sqnr", fmt::format("expected as many values, got {} and {}", reference.size(), test.size()));
  SignalNoise all;
  all.add(reference, test);
  return all.noise == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(all.signal / all.noise);
}

double sqnr_db(const Tensor& reference, const Tensor& test) {
  if (reference.dims() != test.dims())
    throw Error("sqnr",
                fmt::format("expected one shape, got {} and {}", to_string(reference.dims()), to_string(test.dims())));
  return sqnr_db(reference.data<float>(), test.data<float>());
}

}  // namespace hone
