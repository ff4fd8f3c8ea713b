#pragma once
#include "data/augment/scene.hpp"
#include "train/trainer.hpp"

namespace hone {

/// What is particular to training segmenters.
struct SegmentationOptions {
  SceneOptions scene = SceneOptions::for_segmentation();
  /// Rare classes weigh more in the loss: by (median frequency / frequency) to this power, within 0.1 to 10. 0: all
  /// alike.
  double class_balance = 0.5;
  double dice = 0.5;  ///< weight of the soft Dice loss beside the cross-entropy
};

/// Settings that suit segmenters on small sets: AdamW, small batches, epochs that give a small set steps enough. Sets
/// what it is about and leaves the rest of `options` as it is. A pretrained network needs fewer.
void set_segmentation_defaults(TrainOptions& options, const Dataset& train, bool pretrained);

/// A network size for these images: their usual aspect, their usual size but at most the area of 352 x 480 (what a few
/// CPU cores train in minutes), sides multiples of 16 from 32 on, as the templates need.
ImageSize segmentation_size(const Dataset& dataset);

/// Trains a segmenter (f32 [N, 3, H, W] to logits f32 [N, classes, H, W], as the segmentation templates give) and
/// stores the best weights in it. Cross-entropy over the labelled pixels of a batch (mask_ignore does not count),
/// validated by mIoU over the masks at their own size: the class of the largest score at the network's size, nearest.
/// Samples whose mask cannot be read, has another size than the image or a value that is no class are left out and
/// listed in the result. Resumes and throws as train_classifier(), also when no training pixel is labelled.
TrainResult train_segmenter(Graph& model, const Splits& data, const TrainOptions& options,
                            const SegmentationOptions& segmentation = {}, Progress& progress = no_progress());

}  // namespace hone
