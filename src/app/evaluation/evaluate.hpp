#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/support/classifier.hpp"
#include "app/support/format.hpp"
#include "base/progress.hpp"
#include "data/dataset.hpp"
#include "data/metrics.hpp"
#include "data/metrics/hierarchy.hpp"

namespace hone::app {

/// What the model says of one labelled image.
struct Prediction {
  std::filesystem::path path;
  int label = 0, predicted = 0;
  float probability = 0;  ///< of the predicted class
  Tensor pixels;          ///< of the image, when `path` is no file; see Sample
  float label_probability = 0;  ///< of the true class
  int rank = 0;                 ///< classes that are more probable than the true one
};

/// A level above the classes of a tree (data/metrics/hierarchy.hpp).
struct LevelEvaluation {
  ClassLevel level;
  ConfusionMatrix confusion{1};
};

struct Evaluation {
  int64_t images = 0;
  int64_t correct = 0, correct5 = 0;
  ConfusionMatrix confusion{1};
  std::vector<LevelEvaluation> levels;  ///< the top one first; empty when the names of classes are no paths
  std::vector<Prediction> predictions;
  std::vector<Skipped> skipped;
  double seconds = 0;  ///< decoding included

  double top1() const { return images ? static_cast<double>(correct) / static_cast<double>(images) : 0; }
  double top5() const { return images ? static_cast<double>(correct5) / static_cast<double>(images) : 0; }
  double top(int k) const;  ///< share of the images whose class is among the k most probable
  double images_per_second() const { return seconds > 0 ? static_cast<double>(images) / seconds : 0; }
};

/// Classifies all images; unreadable ones are skipped. Throws Error when none is left, or a label is not a class.
Evaluation evaluate(Classifier& classifier, const Dataset& data, Progress& progress);

/// `k`: top-k accuracy is given too; 0: top-1 and top-5 only.
Json to_json(const Evaluation& evaluation, const Classifier& classifier, int k = 0);
/// Accuracy, F1, table of classes (of many the worst) and, for up to 20 classes, the confusion matrix.
std::string to_text(const Evaluation& evaluation, const Classifier& classifier, int k = 0);

}  // namespace hone::app
