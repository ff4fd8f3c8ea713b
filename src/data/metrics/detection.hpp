#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace hone {

/// One object that a model found.
struct Detection {
  int image = 0;  ///< index into Dataset::samples
  int label = 0;
  double score = 0;
  Box box;
  Rle mask;  ///< of instance segmentation; empty otherwise
};

/// What COCO's evaluation prints, 0..1; -1 where there is nothing to measure.
struct CocoScores {
  double ap = -1, ap50 = -1, ap75 = -1;
  double ap_small = -1, ap_medium = -1, ap_large = -1;  ///< objects up to 32x32, up to 96x96, above
  double ar1 = -1, ar10 = -1, ar100 = -1;               ///< recall with that many detections an image
  double ar_small = -1, ar_medium = -1, ar_large = -1;
  std::vector<double> class_ap;    ///< 50:95, by class; -1: does not occur
  std::vector<double> class_ap50;
};

/// COCO mAP with the algorithm of pycocotools' COCOeval, step by step: greedy matching in the order of scores, crowds
/// match any number, objects outside the size range are ignored, at most 100 detections an image, precision at 101
/// recalls, mean over IoU 0.50 to 0.95. `masks`: IoU of masks, else of boxes. An object's size is its stated area, else
/// that of its mask (with masks) or box. Throws Error for a detection whose image or class does not exist.
CocoScores coco_scores(const Dataset& truth, std::span<const Detection> detections, bool masks = false);

struct VocScores {
  double map_area = 0;      ///< mean over classes that occur, all-point area (VOC 2010 on)
  double map_11_point = 0;  ///< precision at 11 recalls (VOC 2007)
  std::vector<double> class_area, class_11_point;  ///< -1: the class does not occur
};

/// Pascal VOC's mAP: a detection is right when the object that it overlaps most has IoU of at least `threshold` and is
/// not taken yet; difficult objects do not count either way.
VocScores voc_scores(const Dataset& truth, std::span<const Detection> detections, double threshold = 0.5);

}  // namespace hone
