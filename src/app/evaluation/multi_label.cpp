#include "app/evaluation/multi_label.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "app/support/skipped.hpp"
#include "base/error.hpp"
#include "data/metrics/segmentation.hpp"

namespace hone::app {

MultiLabelEvaluation evaluate_multi_label(Classifier& classifier, const Dataset& data, double threshold,
                                          Progress& progress) {
  MultiLabelEvaluation result;
  result.counts = MultiLabelCounts(classifier.classes(), threshold);
  std::vector<std::vector<int>> labels;
  std::vector<float> scores;
  auto begin = std::chrono::steady_clock::now();
  progress.begin("evaluating", static_cast<int64_t>(data.samples.size()));
  classifier.classify(
      data.samples.size(), [&](size_t index) { return image_of(data.samples[index]); },
      [&](size_t index, std::span<const float> probabilities) {
        result.counts.add(probabilities, data.samples[index].labels);
        result.predictions.push_back({index, {probabilities.begin(), probabilities.end()}});
        labels.push_back(data.samples[index].labels);
        scores.insert(scores.end(), probabilities.begin(), probabilities.end());
        progress.update(static_cast<int64_t>(index) + 1,
                        fmt::format("F1 {}", format_percent(result.counts.micro().f1)));
      },
      [&](size_t index, const std::string& reason) {
        result.skipped.push_back({data.samples[index].path, reason});
      });
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (labels.empty())
    throw Error("data", fmt::format("none of the {} images can be read", data.samples.size()),
                result.skipped.empty()
                    ? ""
                    : "the first: " + result.skipped[0].path.string() + ": " + result.skipped[0].reason);
  Tensor all = Tensor::of<float>({static_cast<int64_t>(labels.size()), classifier.classes()}, scores);
  result.precisions = multi_label_precisions(all, labels);
  result.map = multi_label_map(all, labels);
  return result;
}

Json to_json(const MultiLabelEvaluation& e, const Classifier& classifier) {
  ClassScore micro = e.counts.micro();
  Json json = {{"task", "multi-label"},
               {"images", e.counts.images()},
               {"threshold", e.counts.threshold()},
               {"map", e.map},
               {"macro_f1", e.counts.macro_f1()},
               {"micro_f1", micro.f1},
               {"micro_precision", micro.precision},
               {"micro_recall", micro.recall},
               {"exact_match", e.counts.exact_match()},
               {"seconds", e.seconds}};
  json["classes"] = Json::array();
  std::vector<ClassScore> scores = e.counts.per_class();
  for (size_t i = 0; i < scores.size(); ++i)
    json["classes"].push_back({{"name", classifier.label(static_cast<int>(i))},
                               {"index", i},
                               {"images", scores[i].support},
                               {"ap", e.precisions[i] < 0 ? Json() : Json(e.precisions[i])},
                               {"precision", scores[i].precision},
                               {"recall", scores[i].recall},
                               {"f1", scores[i].f1}});
  json["skipped"] = Json::array();
  for (const Skipped& file : e.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const MultiLabelEvaluation& e, const Classifier& classifier) {
  ClassScore micro = e.counts.micro();
  std::string text = fmt::format(
      "mAP {}   macro F1 {}   micro F1 {} (precision {}, recall {})   all classes right {}\n", format_percent(e.map),
      format_percent(e.counts.macro_f1()), format_percent(micro.f1), format_percent(micro.precision),
      format_percent(micro.recall), format_percent(e.counts.exact_match()));
  text += fmt::format("{} images, {:.0f} images/s; a class is an answer from {} on\n\n", e.counts.images(),
                      e.seconds > 0 ? static_cast<double>(e.counts.images()) / e.seconds : 0,
                      format_percent(e.counts.threshold()));
  Table table({"class", "images", "AP", "precision", "recall", "F1"});
  std::vector<ClassScore> scores = e.counts.per_class();
  for (size_t i = 0; i < scores.size(); ++i)
    table.add({classifier.label(static_cast<int>(i)), std::to_string(scores[i].support),
               e.precisions[i] < 0 ? "-" : format_percent(e.precisions[i]), format_percent(scores[i].precision),
               format_percent(scores[i].recall), format_percent(scores[i].f1)});
  text += table.text();
  if (!e.skipped.empty()) text += '\n' + describe_skipped(e.skipped);
  return text;
}

}  // namespace hone::app
