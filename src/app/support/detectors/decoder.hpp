#pragma once
#include <array>
#include <map>
#include <string>
#include <vector>

#include "data/augment/scene.hpp"
#include "data/metrics/detection.hpp"
#include "graph/node_writer.hpp"

namespace hone::app {

/// How an image becomes the input f32 [1, 3, H, W] of a plain model: resized (linear), swapped to BGR or not, then
/// (x - mean) / std with x in 0..255 and channels counted after the swap.
struct InputRule {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};
  bool bgr = false;
  Fit fit = Fit::stretch;
  int fill = 114;  ///< what lies outside a letterboxed image
};

/// The outputs of one inference, by name in the order of the model.
using Outputs = std::vector<std::pair<std::string, Tensor>>;

/// What a detector's outputs say of all its candidates, as values of a graph.
struct Candidates {
  Value* boxes = nullptr;   ///< f32 [N, n, 4]: left, top, right, bottom in pixels of the network's input
  Value* scores = nullptr;  ///< f32 [N, n, classes]
};

/// Makes boxes of what a family of detectors computes: one file and one line in the list each.
struct Decoder {
  const char* name;
  const char* summary;
  InputRule input;
  double nms_iou;  ///< boxes of one class that overlap more are one object
  const std::vector<std::string>& (*classes)();
  /// By the shapes of the outputs only, so that a renamed or quantized model is known too.
  bool (*recognizes)(const Graph& model);
  /// Boxes in pixels of the network's input, before NMS, with scores of at least `least_score`.
  std::vector<Detection> (*decode)(const Outputs& outputs, const ImageSize& input, double least_score);
  /// The same as nodes behind the outputs, for finished(): all candidates, none left out.
  Candidates (*add_nodes)(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) = nullptr;
  /// The model takes images as they are and has decoding and suppression inside: boxes are in pixels of the image,
  /// names of classes are in the model, `input`, `nms_iou` and `classes` say nothing.
  bool finished = false;
};

const std::vector<Decoder>& decoders();
/// By name (throws Error with near names), or the one that recognizes the model; nullptr: none does.
const Decoder* find_decoder(const std::string& name, const Graph& model);

/// The model with preprocessing, decoding and suppression inside, as hone train ships detectors: takes images u8 [1,
/// height, width, 3], gives `detections` f32 [M, 7] (image, class, score, left, top, right, bottom in pixels of the
/// image) with scores of at least `least_score`. Throws Error when the model's input has no fixed size.
Graph finished(const Graph& model, const Decoder& decoder, double least_score);

/// The best boxes of each class, by score, that overlap no better one by more than `iou`; at most `most`.
std::vector<Detection> suppress(std::vector<Detection> detections, double iou, size_t most = 300);

/// The image of a sample as the network's input; `placement` gets where it lies there.
Tensor network_input(const Tensor& image, const ImageSize& size, const InputRule& rule, Placement& placement);

/// Appends the cells of a grid, row by row: x and y (`shift` 0: the corner, 0.5: the center) times the stride, and the
/// stride.
void add_cells(std::vector<float>& places, std::vector<float>& strides, int rows, int columns, int stride,
               double shift);
/// Corners [N, n, 4] of boxes with these centers and sizes, both [N, n, 2].
Value* boxes_around(NodeWriter& nodes, Value* center, Value* size);

const std::vector<std::string>& coco_classes();
const std::vector<std::string>& face_classes();
/// Brings the labels of a data set into the order of a detector's classes: `names` (of the model or the user), else
/// those that its family is trained on; a finished model without names takes the labels as they are. Throws as
/// map_classes().
void map_detector_classes(Dataset& data, const std::vector<std::string>& names, const Decoder& decoder);
/// Sizes of an output that are known; 0 where they are not.
std::vector<Dims> output_dims(const Graph& model);
float sigmoid(float x);

// Each in the file of its name.
extern const Decoder hone_decoder, yolox_decoder, nanodet_decoder, fastestdet_decoder, ultraface_decoder, yunet_decoder;

}  // namespace hone::app
