#pragma once
#include <string>
#include <vector>

#include "app/evaluation/multi_label.hpp"
#include "app/evaluation/worst.hpp"
#include "app/evaluation/evaluate.hpp"
#include "data/metrics/detection.hpp"

/// What each task counts as wrong, and how it is drawn.
namespace hone::app {

/// 1 - probability of the true class.
inline constexpr const char* classification_measure = "1 minus the probability of the true class";
WorstCases worst_of(const Evaluation& evaluation, const Classifier& classifier, size_t most);

/// The sum over the classes that were missed or are too many of how far their probability is from the truth.
inline constexpr const char* multi_label_measure =
    "the sum of the errors of the probabilities of the classes that are missing or too many";
WorstCases worst_of(const MultiLabelEvaluation& evaluation, const Dataset& data, const Classifier& classifier,
                    size_t most);

/// Objects that were not found, plus the scores of boxes that are no object. Boxes with a score of at least
/// `least_score` count; each takes the free object of its class that it overlaps most, with IoU of at least 0.5. Crowds
/// and difficult objects do not count either way.
struct DetectionErrors {
  std::vector<bool> found;  ///< of each object of the sample; crowds and difficult ones are found
  std::vector<int> match;  ///< of each detection: the object, -1: none, -2: not counted (too low a score, on a crowd or
                           ///< difficult object)
  double wrong = 0;
};
DetectionErrors compare_objects(const Sample& sample, const std::vector<Detection>& detections, double least_score);
inline constexpr const char* detection_measure =
    "the number of objects that were not found plus the scores of boxes that are no object";
/// Draws truth and answer side by side: right in green, missed in orange, wrong in red.
void add_worst(WorstCases& worst, const Sample& sample, const std::vector<Detection>& detections,
               const std::vector<std::string>& classes, double least_score);

/// 1 - mean IoU over the classes that occur in the image's truth.
inline constexpr const char* segmentation_measure = "1 minus the mean IoU over the classes in the image";
/// Draws truth, answer and, in red, where they differ. `classes` are names.
void add_worst(WorstCases& worst, const Sample& sample, const Tensor& truth, const Tensor& predicted,
               const std::vector<std::string>& classes);

}  // namespace hone::app
