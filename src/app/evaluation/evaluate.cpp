#include "app/evaluation/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "app/support/skipped.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
constexpr int largest_matrix = 20;  // classes of a confusion matrix that still fits on a screen
constexpr size_t longest_table = 100, worst_shown = 20;  // rows

std::string shortened(const std::string& text, size_t length) {
  return text.size() <= length ? text : text.substr(0, length - 2) + "..";
}

bool occurs(const ClassScore& score) { return score.support > 0; }
}  // namespace

Evaluation evaluate(Classifier& classifier, const Dataset& data, Progress& progress) {
  for (const Sample& sample : data.samples) {
    if (sample.label < 0 || sample.label >= classifier.classes())
      throw Error("'" + sample.path.string() + "'",
                  fmt::format("has label {}, the model has classes 0 to {}", sample.label, classifier.classes() - 1));
  }
  Evaluation result;
  result.confusion = ConfusionMatrix(classifier.classes());
  for (ClassLevel& level : levels_of_classes(classifier.labels())) {
    ConfusionMatrix groups(static_cast<int>(level.names.size()));
    result.levels.push_back({std::move(level), std::move(groups)});
  }
  auto begin = std::chrono::steady_clock::now();
  progress.begin("evaluating", static_cast<int64_t>(data.samples.size()));
  classifier.classify(
      data.samples.size(), [&](size_t index) { return image_of(data.samples[index]); },
      [&](size_t index, std::span<const float> probabilities) {
        const Sample& sample = data.samples[index];
        std::vector<int> best = top_k(probabilities, 5);
        result.confusion.add(sample.label, best[0]);
        result.correct += best[0] == sample.label;
        result.correct5 += std::find(best.begin(), best.end(), sample.label) != best.end();
        float own = probabilities[static_cast<size_t>(sample.label)];
        auto rank = std::count_if(probabilities.begin(), probabilities.end(),
                                  [&](float p) { return p > own || (std::isnan(own) && !std::isnan(p)); }) +
                    std::count(probabilities.begin(), probabilities.begin() + sample.label, own);
        result.predictions.push_back({sample.path, sample.label, best[0], probabilities[static_cast<size_t>(best[0])],
                                      sample.pixels, own, static_cast<int>(rank)});
        for (LevelEvaluation& one : result.levels)
          one.confusion.add(one.level.group[static_cast<size_t>(sample.label)],
                            argmax(group_probabilities(one.level, probabilities)));
        ++result.images;
        progress.update(static_cast<int64_t>(index) + 1, fmt::format("top-1 {}", format_percent(result.top1())));
      },
      [&](size_t index, const std::string& reason) { result.skipped.push_back({data.samples[index].path, reason}); });
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (result.images == 0)
    throw Error("data", fmt::format("none of the {} images can be read", data.samples.size()),
                result.skipped.empty()
                    ? ""
                    : "the first: " + result.skipped[0].path.string() + ": " + result.skipped[0].reason);
  return result;
}

double Evaluation::top(int k) const {
  auto among =
      std::count_if(predictions.begin(), predictions.end(), [&](const Prediction& one) { return one.rank < k; });
  return predictions.empty() ? 0 : static_cast<double>(among) / static_cast<double>(predictions.size());
}

namespace {

Json classes_json(const ConfusionMatrix& confusion, const std::function<std::string(int)>& name) {
  Json json = Json::array();
  std::vector<ClassScore> scores = confusion.per_class();
  for (int i = 0; i < confusion.classes(); ++i)
    if (const ClassScore& score = scores[static_cast<size_t>(i)]; occurs(score))
      json.push_back({{"name", name(i)},
                      {"index", i},
                      {"images", score.support},
                      {"precision", score.precision},
                      {"recall", score.recall},
                      {"f1", score.f1}});
  return json;
}

Json matrix_json(const ConfusionMatrix& confusion) {
  Json matrix = Json::array();
  for (int truth = 0; truth < confusion.classes(); ++truth) {
    Json row = Json::array();
    for (int predicted = 0; predicted < confusion.classes(); ++predicted) row.push_back(confusion.at(truth, predicted));
    matrix.push_back(row);
  }
  return matrix;
}

std::string class_table(const std::vector<ClassScore>& scores, const std::vector<int>& chosen,
                        const Classifier& classifier) {
  Table table({"class", "images", "precision", "recall", "F1"});
  for (int i : chosen) {
    const ClassScore& score = scores[static_cast<size_t>(i)];
    table.add({classifier.label(i), std::to_string(score.support), format_percent(score.precision),
               format_percent(score.recall), format_percent(score.f1)});
  }
  return table.text();
}

std::string matrix_text(const ConfusionMatrix& confusion, const Classifier& classifier) {
  std::vector<std::string> header{""};
  for (int i = 0; i < confusion.classes(); ++i) header.push_back(shortened(classifier.label(i), 10));
  Table matrix(header);
  for (int truth = 0; truth < confusion.classes(); ++truth) {
    std::vector<std::string> row{classifier.label(truth)};
    for (int predicted = 0; predicted < confusion.classes(); ++predicted) {
      int64_t count = confusion.at(truth, predicted);
      row.push_back(count ? std::to_string(count) : "·");
    }
    matrix.add(std::move(row));
  }
  return "\nconfusion matrix (rows: the truth, columns: the answer)\n" + matrix.text();
}

/// All classes that occur, or those with the least F1 when they would fill many screens.
std::string many_classes(const std::vector<ClassScore>& scores, const Classifier& classifier) {
  std::vector<int> chosen;
  for (size_t i = 0; i < scores.size(); ++i)
    if (occurs(scores[i])) chosen.push_back(static_cast<int>(i));
  std::string text = fmt::format("{} of {} classes occur", chosen.size(), classifier.classes());
  if (chosen.size() > longest_table) {
    std::stable_sort(chosen.begin(), chosen.end(), [&](int a, int b) {
      return scores[static_cast<size_t>(a)].f1 < scores[static_cast<size_t>(b)].f1;
    });
    chosen.resize(worst_shown);
    text += fmt::format("; the {} with the least F1 (--json has all)", worst_shown);
  }
  return text + "\n\n" + class_table(scores, chosen, classifier);
}

}  // namespace

Json to_json(const Evaluation& evaluation, const Classifier& classifier, int k) {
  Json json;
  json["task"] = "classification";
  json["images"] = evaluation.images;
  json["top1"] = evaluation.top1();
  json["top5"] = evaluation.top5();
  if (k > 0) json["topk"] = {{"k", k}, {"accuracy", evaluation.top(k)}};
  json["balanced_accuracy"] = evaluation.confusion.balanced_accuracy();
  json["macro_f1"] = evaluation.confusion.macro_f1();
  json["seconds"] = evaluation.seconds;
  json["images_per_second"] = evaluation.images_per_second();
  json["classes"] = classes_json(evaluation.confusion, [&](int i) { return classifier.label(i); });
  if (classifier.classes() <= largest_matrix) json["confusion"] = matrix_json(evaluation.confusion);
  for (const LevelEvaluation& one : evaluation.levels)
    json["levels"].push_back(
        {{"accuracy", one.confusion.accuracy()},
         {"balanced_accuracy", one.confusion.balanced_accuracy()},
         {"macro_f1", one.confusion.macro_f1()},
         {"classes", classes_json(one.confusion, [&](int i) { return one.level.names[static_cast<size_t>(i)]; })},
         {"confusion", matrix_json(one.confusion)}});
  json["skipped"] = Json::array();
  for (const Skipped& file : evaluation.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const Evaluation& evaluation, const Classifier& classifier, int k) {
  const int classes = classifier.classes();
  std::string text = fmt::format("top-1 {}", format_percent(evaluation.top1()));
  if (classes > 5) text += fmt::format("   top-5 {}", format_percent(evaluation.top5()));
  if (k > 1 && k != 5) text += fmt::format("   top-{} {}", k, format_percent(evaluation.top(k)));
  text += fmt::format("   macro F1 {}   mean recall {}   ({} images, {:.0f} images/s)\n",
                      format_percent(evaluation.confusion.macro_f1()),
                      format_percent(evaluation.confusion.balanced_accuracy()), evaluation.images,
                      evaluation.images_per_second());
  for (size_t i = 0; i < evaluation.levels.size(); ++i) {
    const LevelEvaluation& one = evaluation.levels[i];
    text += fmt::format("level {} ({}): accuracy {}   macro F1 {}\n", i + 1, fmt::join(one.level.names, ", "),
                        format_percent(one.confusion.accuracy()), format_percent(one.confusion.macro_f1()));
  }
  std::vector<ClassScore> scores = evaluation.confusion.per_class();
  if (classes <= largest_matrix) {
    std::vector<int> all(static_cast<size_t>(classes));
    std::iota(all.begin(), all.end(), 0);
    text += '\n' + class_table(scores, all, classifier) + matrix_text(evaluation.confusion, classifier);
  } else {
    text += many_classes(scores, classifier);
  }
  if (!evaluation.skipped.empty()) text += '\n' + describe_skipped(evaluation.skipped);
  return text;
}

}  // namespace hone::app
