#pragma once
#include "data/augment/scene.hpp"
#include "train/detection/decode.hpp"
#include "train/trainer.hpp"

namespace hone {

/// What is particular to training detectors.
struct DetectionOptions {
  SceneOptions scene = small_set_scene();
  /// Mosaic and mix-up are off in this last part of the run, so that it ends with images as they are.
  double plain_end = 0.3;
  DetectorOptions decoding;  ///< for validation; the shipped file should have the same

  /// Milder than SceneOptions::for_detection(): for sets of some dozen to some thousand images and short runs.
  static SceneOptions small_set_scene();
};

/// Settings that suit detectors on small sets: AdamW, a low rate for the `backbone` constants, epochs that give a small
/// set steps enough. Sets what it is about and leaves the rest of `options` as it is.
void set_detection_defaults(TrainOptions& options, const Dataset& train);

/// A network input for the images of a set: their usual aspect, sides that are multiples of 32, about as many pixels as
/// 320 x 416 has; more (up to 512 x 512) where a fifth of the objects would be smaller than 20 pixels.
ImageSize suggest_detection_size(const Dataset& train);

/// Trains a detector (a graph from one of the detection templates: f32 [N, 3, H, W] to raw outputs, see DetectorHead)
/// and stores the best weights in it. The loss follows the kind of head: SSD's (softmax with hard negatives 3 : 1,
/// smooth L1), ATSS with quality focal loss and GIoU, YOLOX's (binary cross-entropies, IoU) with SimOTA. The metric is
/// Pascal VOC's mAP (area) at IoU 0.5 of the decoded boxes in pixels of the validation images. Images without objects
/// are background; crowds and difficult objects are neither found nor background. Resumes and throws as
/// train_classifier(), also when no training image has an object.
TrainResult train_detector(Graph& model, const Splits& data, const TrainOptions& options,
                           const DetectionOptions& detection = {}, Progress& progress = no_progress());

}  // namespace hone
