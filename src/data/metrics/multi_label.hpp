#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/metrics.hpp"

namespace hone {

/// What is right and wrong of answers with several labels an image.
class MultiLabelCounts {
 public:
  /// A class is in the answer when its probability is at least `threshold`.
  MultiLabelCounts(int classes, double threshold) : counts_(static_cast<size_t>(classes)), threshold_(threshold) {}
  /// One image: the probability of each class, and the labels that hold. Throws Error for a label that is no class, or
  /// another number of probabilities.
  void add(std::span<const float> probabilities, std::span<const int> labels);
  int64_t images() const { return images_; }
  double threshold() const { return threshold_; }
  /// Precision, recall and F1 of each class; support: the images where it holds.
  std::vector<ClassScore> per_class() const;
  /// Of all answers and labels together.
  ClassScore micro() const;
  /// Mean F1 over the classes that occur, 0 when none does.
  double macro_f1() const;
  /// Share of images whose classes are all right, and none too many.
  double exact_match() const;

 private:
  struct Counts {
    int64_t right = 0, answered = 0, truth = 0;
  };
  static ClassScore score_of(const Counts& counts);

  std::vector<Counts> counts_;
  double threshold_;
  int64_t images_ = 0, exact_ = 0;
};

}  // namespace hone
