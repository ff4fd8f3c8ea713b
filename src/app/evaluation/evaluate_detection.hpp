#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "app/support/detectors/decoder.hpp"
#include "app/support/format.hpp"
#include "app/support/options.hpp"
#include "base/progress.hpp"
#include "data/dataset.hpp"
#include "data/metrics/detection.hpp"
#include "data/metrics/segmentation.hpp"
#include "devices/devices.hpp"

namespace hone::app {

/// Which samples of a data set with parts are used: those of validation, else of test, else all; or the part named
/// ("train", "val", "test", "all"). Throws Error for a part that has no samples.
void keep_part(Dataset& dataset, const std::string& part);

/// Into how many shares the images of an evaluation are put to see how far its figure depends on them; at least two
/// images each.
constexpr size_t sample_shares = 8;

struct DetectionEvaluation {
  CocoScores coco;
  VocScores voc;
  std::vector<double> shares;  ///< COCO mAP of each share of the images
  int64_t images = 0, objects = 0;
  double seconds = 0;
  std::vector<Skipped> skipped;
};

/// What was found in an image: boxes of any score, in pixels of the image.
using OnDetections = std::function<void(const Sample& sample, const std::vector<Detection>& found)>;

/// Runs a detector over the images and compares its boxes, at the size of each image, with the objects.
DetectionEvaluation evaluate_detection(const Graph& model, const Decoder& decoder, const Dataset& data,
                                       const DeviceOptions& device, double least_score, Progress& progress,
                                       const OnDetections& on_image = {});
Json to_json(const DetectionEvaluation& evaluation, const Dataset& data);
std::string to_text(const DetectionEvaluation& evaluation, const Dataset& data);

struct SegmentationEvaluation {
  SegmentationMatrix matrix{1};
  std::vector<SegmentationMatrix> shares;  ///< of each share of the images
  int64_t images = 0;
  double seconds = 0;
  std::vector<Skipped> skipped;
};

/// The input rule of a segmenter that is known by its input and output shapes (deeplabv3 257x257 of VOC, ESPNet of
/// CamVid), or nullopt.
std::optional<InputRule> segmenter_rule(const Graph& model);
/// The same when no preprocessing option was given, else, or when it is unknown, what the options say. Not used by a
/// model that has its preprocessing inside.
InputRule segmenter_input(const Graph& model, const ImageFlags& flags);
/// Classes of a segmenter's output f32 [N, classes, H, W]; 0 when the model has none such.
int segmenter_classes(const Graph& model);
/// Truth and answer of an image, u8 [H, W].
using OnClasses = std::function<void(const Sample& sample, const Tensor& truth, const Tensor& predicted)>;

/// Runs a segmenter over the images; each pixel of a mask is compared with the class of the largest score there.
SegmentationEvaluation evaluate_segmentation(const Graph& model, const InputRule& rule, const Dataset& data,
                                             const DeviceOptions& device, Progress& progress,
                                             const OnClasses& on_image = {});
Json to_json(const SegmentationEvaluation& evaluation, const Dataset& data);
std::string to_text(const SegmentationEvaluation& evaluation, const Dataset& data);

}  // namespace hone::app
