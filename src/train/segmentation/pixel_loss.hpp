#pragma once
#include <cstdint>
#include <span>

#include "train/part_sum.hpp"

namespace hone {

/// What pixel_loss() adds up.
struct PixelLoss {
  std::span<const float> weights;  ///< of each class in the cross-entropy
  double cross_entropy = 1;        ///< times the sum over pixels
  double dice = 0;                 ///< times the soft Dice loss of all pixels of the batch together
  PartSum* parts = &PartSum::alone();
};

/// The loss of the rows of `scores` f32 [count, classes] with their target classes; rows whose target is no class
/// (mask_ignore) do not count. Cross-entropy: the sum of weights[target] * -log(softmax(scores)[target]). Dice: 1 - the
/// mean over the classes that are targets of (2 |P and T| + 1) / (|P| + |T| + 1), with probabilities for P (Milletari
/// et al. 2016). Of the Dice loss of a batch, each of its parts counts as much as the others. `gradient` (may be null)
/// gets that of the scores, f32 [count, classes].
double pixel_loss(const float* scores, const uint8_t* targets, int64_t count, int64_t classes, const PixelLoss& loss,
                  float* gradient);

}  // namespace hone
