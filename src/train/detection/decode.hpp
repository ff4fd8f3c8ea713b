#pragma once
#include <vector>

#include "graph/graph.hpp"
#include "graph/preprocess.hpp"
#include "train/detection/head.hpp"

namespace hone {

/// What is taken from the head's raw output.
struct DetectorOptions {
  double score_threshold = 0.01;  ///< lower ones are no detections
  double nms_iou = 0.5;           ///< of two boxes of a class that overlap more, the better stays
  int max_per_class = 100;        ///< detections of a class in an image
  int candidates = 300;           ///< anchors of an image that are looked at: those with the largest scores
};

struct DecodedBox {
  int label = 0;
  float score = 0;
  Corners box;  ///< in pixels of the network's input, may reach outside
};

/// The raw outputs of one image: `logits` [anchors, columns], `boxes` [anchors, 4], `objectness` [anchors] or nullptr.
struct RawOutputs {
  const float* logits = nullptr;
  const float* boxes = nullptr;
  const float* objectness = nullptr;
};
/// Scores [anchors, classes] in 0..1.
std::vector<float> head_scores(const DetectorHead& head, const RawOutputs& raw);
/// What the shipped graph computes, in plain code: the detections of an image by class, the best first.
std::vector<DecodedBox> decode_detections(const DetectorHead& head, const std::vector<Anchor>& anchors,
                                          const RawOutputs& raw, const DetectorOptions& options);

/// The form that ships: a copy of a trained detector (see DetectorHead) that takes decoded images of any size
/// (attach_preprocess: stretched to the network's size), with decoding and suppression as standard ONNX nodes. The one
/// output is `detections` f32 [M, 7]: image, class, score, left, top, right, bottom, in pixels of the image given and
/// clipped to it; by image, class and falling score. Metadata `hone.task` is "detection". Throws Error for a graph that
/// is no such detector.
Graph finish_detector(const Graph& trained, const Preprocess& preprocess, const DetectorOptions& options = {});

}  // namespace hone
