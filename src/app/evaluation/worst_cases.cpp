#include "app/evaluation/worst_cases.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "app/support/draw_results.hpp"
#include "data/draw.hpp"
#include "data/mask_file.hpp"
#include "data/metrics/segmentation.hpp"

namespace hone::app {

namespace {

constexpr int longest_side = 900;  // of a picture, in pixels
constexpr Color right_color{46, 160, 67}, missed_color{255, 150, 20}, wrong_color{225, 45, 45};
constexpr double least_iou = 0.5;

std::string name_of_class(const std::vector<std::string>& classes, int label) {
  return label >= 0 && label < static_cast<int>(classes.size()) ? classes[static_cast<size_t>(label)]
                                                                : fmt::format("class {}", label);
}

Tensor with_lines(const Sample& sample, std::vector<std::pair<int, std::string>> lines) {
  double scale = 1;
  Marks marks;
  marks.lines = std::move(lines);
  return draw_marks(shrunk(image_of(sample), longest_side, scale), marks);
}

std::string joined_words(const std::vector<std::string>& words) {
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

WorstCases worst_of(const Evaluation& evaluation, const Classifier& classifier, size_t most) {
  WorstCases worst(most);
  for (const Prediction& one : evaluation.predictions) {
    double wrong = 1 - one.label_probability;
    if (!worst.takes(wrong)) continue;
    std::string truth = fmt::format("{} {}", classifier.label(one.label), format_percent(one.label_probability));
    std::string answer = fmt::format("{} {}", classifier.label(one.predicted), format_percent(one.probability));
    Sample sample;
    sample.path = one.path, sample.pixels = one.pixels;
    int label = one.label, predicted = one.predicted;
    auto draw = [=] {
      std::vector<std::pair<int, std::string>> lines = {{label, "truth: " + truth}, {predicted, "answer: " + answer}};
      return with_lines(sample, std::move(lines));
    };
    worst.add({wrong, one.path, truth, answer, draw});
  }
  return worst;
}

WorstCases worst_of(const MultiLabelEvaluation& evaluation, const Dataset& data, const Classifier& classifier,
                    size_t most) {
  WorstCases worst(most);
  for (const LabelPrediction& one : evaluation.predictions) {
    const Sample& sample = data.samples[one.sample];
    std::vector<std::string> truth, answer;
    std::vector<std::pair<int, std::string>> lines;
    double wrong = 0;
    for (int c = 0; c < classifier.classes(); ++c) {
      bool holds = std::binary_search(sample.labels.begin(), sample.labels.end(), c);
      double p = one.probabilities[static_cast<size_t>(c)];
      bool answered = p >= evaluation.counts.threshold();
      std::string text = fmt::format("{} {}", classifier.label(c), format_percent(p));
      if (holds) truth.push_back(classifier.label(c));
      if (answered) answer.push_back(text);
      if (holds || answered)
        lines.emplace_back(c, (holds == answered ? "right: " : holds ? "missing: " : "too many: ") + text);
      if (holds != answered) wrong += holds ? 1 - p : p;
    }
    if (worst.takes(wrong))
      worst.add({wrong, sample.path, joined_words(truth), joined_words(answer),
                 [&sample, lines = std::move(lines)] { return with_lines(sample, lines); }});
  }
  return worst;
}

DetectionErrors compare_objects(const Sample& sample, const std::vector<Detection>& detections, double least_score) {
  DetectionErrors errors;
  auto counted = [](const Annotation& object) { return !object.crowd && !object.difficult; };
  for (const Annotation& object : sample.objects) errors.found.push_back(!counted(object));
  errors.match.assign(detections.size(), -2);
  std::vector<size_t> order;
  for (size_t i = 0; i < detections.size(); ++i)
    if (detections[i].score >= least_score) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return detections[a].score > detections[b].score; });
  for (size_t i : order) {
    const Detection& one = detections[i];
    int best = -1;
    double overlap = least_iou;
    bool on_uncounted = false;
    for (size_t j = 0; j < sample.objects.size(); ++j) {
      const Annotation& object = sample.objects[j];
      if (object.label != one.label) continue;
      double here = iou(one.box, object.box);
      if (!counted(object))
        on_uncounted |=
            here >= least_iou || (object.crowd && intersection(one.box, object.box) >= least_iou * one.box.area());
      else if (!errors.found[j] && here >= overlap) overlap = here, best = static_cast<int>(j);
    }
    errors.match[i] = best >= 0 ? best : on_uncounted ? -2 : -1;
    if (best >= 0) errors.found[static_cast<size_t>(best)] = true;
    else if (!on_uncounted) errors.wrong += one.score;
  }
  errors.wrong += static_cast<double>(std::count(errors.found.begin(), errors.found.end(), false));
  return errors;
}

namespace {

Tensor draw_detection_errors(const Sample& sample, const std::vector<Detection>& detections,
                             const DetectionErrors& errors, const std::vector<std::string>& classes) {
  double scale = 1;
  Tensor image = shrunk(image_of(sample), longest_side, scale);
  auto scaled = [&](const Box& b) { return Box{b.x * scale, b.y * scale, b.w * scale, b.h * scale}; };
  Marks truth, answer;
  truth.lines = {{-1, "truth"}}, answer.lines = {{-1, "answer"}};
  for (size_t i = 0; i < sample.objects.size(); ++i) {
    const Annotation& object = sample.objects[i];
    if (object.crowd || object.difficult) continue;
    std::string name = name_of_class(classes, object.label);
    truth.objects.push_back({scaled(object.box), object.label, errors.found[i] ? name : "missed: " + name, name,
                             errors.found[i] ? right_color : missed_color});
  }
  for (size_t i = 0; i < detections.size(); ++i) {
    if (errors.match[i] == -2) continue;
    std::string name = name_of_class(classes, detections[i].label);
    answer.objects.push_back({scaled(detections[i].box), detections[i].label,
                              fmt::format("{} {:.0f}%", name, 100 * detections[i].score), name,
                              errors.match[i] >= 0 ? right_color : wrong_color});
  }
  return joined({draw_marks(image, truth), draw_marks(image, answer)});
}

/// Red where truth and answer differ, on a paler image; pixels that do not count are gray.
Tensor draw_differences(const Tensor& image, const Tensor& truth, const Tensor& predicted) {
  Tensor picture = image.clone(), difference = truth.clone();
  auto a = truth.data<uint8_t>(), b = predicted.data<uint8_t>();
  auto out = difference.mutable_data<uint8_t>();
  for (size_t i = 0; i < out.size(); ++i) out[i] = a[i] == mask_ignore ? 2 : a[i] != b[i];
  tint(picture, difference, 0, {255, 255, 255}, 0.45);
  tint(picture, difference, 1, wrong_color, 0.75);
  tint(picture, difference, 2, {128, 128, 128}, 0.8);
  return picture;
}

Tensor draw_segmentation_errors(const Sample& sample, const Tensor& truth, const Tensor& predicted,
                                const std::vector<std::string>& classes) {
  double scale = 1;
  Tensor image = shrunk(image_of(sample), longest_side, scale);
  auto height = static_cast<int>(image.dim(0)), width = static_cast<int>(image.dim(1));
  Tensor small_truth = resize_mask(truth, height, width), small_answer = resize_mask(predicted, height, width);
  std::set<uint8_t> present;
  for (uint8_t value : small_truth.data<uint8_t>()) present.insert(value);
  for (uint8_t value : small_answer.data<uint8_t>()) present.insert(value);
  present.erase(mask_ignore);
  Marks marks;
  for (uint8_t value : present) marks.legend.emplace_back(value, name_of_class(classes, value));
  Marks left = marks, right = marks, differences;
  left.lines = {{-1, "truth"}}, right.lines = {{-1, "answer"}}, differences.lines = {{-1, "different"}};
  left.classes = small_truth, right.classes = small_answer;
  return joined({draw_marks(image, left), draw_marks(image, right),
                 draw_marks(draw_differences(image, small_truth, small_answer), differences)});
}

std::string counted(int64_t count, const char* what) { return fmt::format("{} {}", count, what); }

}  // namespace

void add_worst(WorstCases& worst, const Sample& sample, const std::vector<Detection>& detections,
               const std::vector<std::string>& classes, double least_score) {
  DetectionErrors errors = compare_objects(sample, detections, least_score);
  if (!worst.takes(errors.wrong)) return;
  auto right = std::count_if(errors.match.begin(), errors.match.end(), [](int match) { return match >= 0; });
  auto wrong = std::count(errors.match.begin(), errors.match.end(), -1);
  auto missed = std::count(errors.found.begin(), errors.found.end(), false);
  std::vector<Detection> shown;
  DetectionErrors kept{errors.found, {}, errors.wrong};
  for (size_t i = 0; i < detections.size(); ++i)
    if (errors.match[i] != -2) shown.push_back(detections[i]), kept.match.push_back(errors.match[i]);
  worst.add({errors.wrong, sample.path, counted(right + missed, "objects"),
             counted(right, "found, ") + counted(missed, "missed, ") + counted(wrong, "wrong"),
             [&sample, shown = std::move(shown), kept = std::move(kept), &classes] {
               return draw_detection_errors(sample, shown, kept, classes);
             }});
}

void add_worst(WorstCases& worst, const Sample& sample, const Tensor& truth, const Tensor& predicted,
               const std::vector<std::string>& classes) {
  SegmentationMatrix matrix(256);
  matrix.add(truth.data<uint8_t>(), predicted.data<uint8_t>());
  if (matrix.confusion().total() == 0) return;
  double wrong = 1 - matrix.mean_iou();
  if (!worst.takes(wrong)) return;
  std::vector<std::string> present;
  std::vector<SegmentationScore> scores = matrix.per_class();
  for (size_t c = 0; c < scores.size(); ++c)
    if (scores[c].pixels > 0)
      present.push_back(
          fmt::format("{} (IoU {})", name_of_class(classes, static_cast<int>(c)), format_percent(scores[c].iou)));
  worst.add(
      {wrong, sample.path, joined_words(present), format_percent(matrix.pixel_accuracy()) + " of the pixels are right",
       [&sample, truth, predicted, &classes] { return draw_segmentation_errors(sample, truth, predicted, classes); }});
}

}  // namespace hone::app
