#pragma once
#include <string>
#include <vector>

#include "app/support/classifier.hpp"
#include "app/support/format.hpp"
#include "base/progress.hpp"
#include "data/dataset.hpp"
#include "data/metrics/multi_label.hpp"

namespace hone::app {

/// What a multi-label model says of one image.
struct LabelPrediction {
  size_t sample = 0;  ///< index into Dataset::samples
  std::vector<float> probabilities;
};

struct MultiLabelEvaluation {
  MultiLabelCounts counts{0, 0.5};
  double map = 0;                   ///< mean of the average precisions of the classes that occur
  std::vector<double> precisions;   ///< average precision of each class; -1: does not occur
  std::vector<LabelPrediction> predictions;
  std::vector<Skipped> skipped;
  double seconds = 0;
};

/// Classifies all images; a class is in the answer when its probability is at least `threshold`. `classifier` was made
/// with ClassifierOptions::multi_label. Throws Error when no image can be read, or a label is not a class.
MultiLabelEvaluation evaluate_multi_label(Classifier& classifier, const Dataset& data, double threshold,
                                          Progress& progress);

Json to_json(const MultiLabelEvaluation& evaluation, const Classifier& classifier);
std::string to_text(const MultiLabelEvaluation& evaluation, const Classifier& classifier);

}  // namespace hone::app
