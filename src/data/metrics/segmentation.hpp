#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/metrics.hpp"

namespace hone {

struct SegmentationScore {
  double iou = 0, dice = 0, recall = 0, precision = 0;
  int64_t pixels = 0;  ///< of the class in the truth
  bool occurs = false;  ///< in the truth or in an answer
};

/// Counts pixels of all images together, as mIoU is defined.
class SegmentationMatrix {
 public:
  explicit SegmentationMatrix(int classes) : confusion_(classes) {}
  /// Class indices of one image; pixels whose truth is mask_ignore (255) do not count. Throws Error when the sizes
  /// differ or a value is no class.
  void add(std::span<const uint8_t> truth, std::span<const uint8_t> predicted);
  const ConfusionMatrix& confusion() const { return confusion_; }
  std::vector<SegmentationScore> per_class() const;
  double mean_iou() const;    ///< over the classes that occur in the truth
  double mean_dice() const;   ///< likewise
  double pixel_accuracy() const { return confusion_.accuracy(); }
  double mean_accuracy() const { return confusion_.balanced_accuracy(); }

 private:
  ConfusionMatrix confusion_;
};

/// Several labels an image: average precision of each class (area under precision over recall, ties taken together), -1
/// where a class never occurs. `scores` f32 [N, C]; `labels` those of each row.
std::vector<double> multi_label_precisions(const Tensor& scores, std::span<const std::vector<int>> labels);
/// Mean over the classes that occur; 0 when none does.
double multi_label_map(const Tensor& scores, std::span<const std::vector<int>> labels);

}  // namespace hone
