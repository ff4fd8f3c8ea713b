#include "app/support/evaluate.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "app/support/skipped.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
constexpr int largest_matrix = 20;  // classes of a confusion matrix that still fits on a screen

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
        result.predictions.push_back({sample.path, sample.label, best[0], probabilities[static_cast<size_t>(best[0])], sample.pixels});
        ++result.images;
        progress.update(static_cast<int64_t>(index) + 1, fmt::format("top-1 {}", format_percent(result.top1())));
      },
      [&](size_t index, const std::string& reason) { result.skipped.push_back({data.samples[index].path, reason}); });
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (result.images == 0)
    throw Error("data", fmt::format("none of the {} images can be read", data.samples.size()),
                result.skipped.empty() ? "" : "the first: " + result.skipped[0].path.string() + ": " + result.skipped[0].reason);
  return result;
}

Json to_json(const Evaluation& evaluation, const Classifier& classifier) {
  Json json;
  json["images"] = evaluation.images;
  json["top1"] = evaluation.top1();
  json["top5"] = evaluation.top5();
  json["balanced_accuracy"] = evaluation.confusion.balanced_accuracy();
  json["macro_f1"] = evaluation.confusion.macro_f1();
  json["seconds"] = evaluation.seconds;
  json["images_per_second"] = evaluation.images_per_second();
  json["classes"] = Json::array();
  std::vector<ClassScore> scores = evaluation.confusion.per_class();
  for (int i = 0; i < classifier.classes(); ++i) {
    const ClassScore& score = scores[static_cast<size_t>(i)];
    if (occurs(score))
      json["classes"].push_back({{"name", classifier.label(i)}, {"index", i}, {"images", score.support},
                                 {"precision", score.precision}, {"recall", score.recall}, {"f1", score.f1}});
  }
  if (classifier.classes() <= largest_matrix) {
    Json matrix = Json::array();
    for (int truth = 0; truth < classifier.classes(); ++truth) {
      Json row = Json::array();
      for (int predicted = 0; predicted < classifier.classes(); ++predicted) row.push_back(evaluation.confusion.at(truth, predicted));
      matrix.push_back(row);
    }
    json["confusion"] = matrix;
  }
  json["skipped"] = Json::array();
  for (const Skipped& file : evaluation.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const Evaluation& evaluation, const Classifier& classifier) {
  const int classes = classifier.classes();
  std::string text = fmt::format("top-1 {}", format_percent(evaluation.top1()));
  if (classes > 5) text += fmt::format("   top-5 {}", format_percent(evaluation.top5()));
  text += fmt::format("   ({} images, {:.0f} images/s)\n", evaluation.images, evaluation.images_per_second());

  std::vector<ClassScore> scores = evaluation.confusion.per_class();
  if (classes <= largest_matrix) {
    text += '\n';
    Table table({"class", "images", "precision", "recall", "F1"});
    for (int i = 0; i < classes; ++i) {
      const ClassScore& score = scores[static_cast<size_t>(i)];
      table.add({classifier.label(i), std::to_string(score.support), format_percent(score.precision),
                 format_percent(score.recall), format_percent(score.f1)});
    }
    text += table.text() + "\nconfusion matrix (rows: the truth, columns: the answer)\n";
    std::vector<std::string> header{""};
    for (int i = 0; i < classes; ++i) header.push_back(shortened(classifier.label(i), 10));
    Table matrix(header);
    for (int truth = 0; truth < classes; ++truth) {
      std::vector<std::string> row{classifier.label(truth)};
      for (int predicted = 0; predicted < classes; ++predicted) {
        int64_t count = evaluation.confusion.at(truth, predicted);
        row.push_back(count ? std::to_string(count) : "·");
      }
      matrix.add(std::move(row));
    }
    text += matrix.text();
  } else {
    auto present = std::count_if(scores.begin(), scores.end(), occurs);
    text += fmt::format("{} of {} classes occur; mean recall {}\n", present, classes,
                        format_percent(evaluation.confusion.balanced_accuracy()));
  }
  if (!evaluation.skipped.empty()) text += '\n' + describe_skipped(evaluation.skipped);
  return text;
}

}  // namespace hone::app
