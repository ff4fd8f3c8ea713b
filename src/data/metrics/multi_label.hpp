#pragma once
#include <vector>

namespace hone {

/// Of models that find any number of classes in an image; all are 0..1.
struct MultiLabelScores {
  std::vector<double> average_precision;   ///< by class; -1 for a class that no image has
  double mean_average_precision = 0;       ///< over the classes that occur
  double precision = 0, recall = 0, f1 = 0;  ///< of all classes together, with scores above the threshold
  double exact = 0;                        ///< images whose classes are all right
};

/// Rows are images: scores [classes], truth [classes] (above 0.5: the class holds). Average precision is the area under the
/// precision-recall steps, ties taken together (as scikit-learn computes it). Throws Error when sizes differ.
MultiLabelScores multi_label_scores(const std::vector<std::vector<float>>& scores, const std::vector<std::vector<float>>& truth,
                                    float threshold = 0);

}  // namespace hone
