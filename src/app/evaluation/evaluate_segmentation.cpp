#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "app/evaluation/evaluate_detection.hpp"
#include "app/support/segmenter.hpp"
#include "app/support/skipped.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/mask_file.hpp"

namespace hone::app {

namespace {
struct KnownSegmenter {
  int64_t classes, height, width;
  InputRule rule;
};

const std::vector<KnownSegmenter>& known_segmenters() {
  static const std::vector<KnownSegmenter> list = {
      {21, 257, 257, {{127.5f, 127.5f, 127.5f}, {127.5f, 127.5f, 127.5f}, false, Fit::stretch, 0}},  // DeepLabV3 of VOC
      {12, 360, 480,  // ESPNet of CamVid: deviation, then 255
       {{108.62f, 104.75f, 101.11f}, {72.19f * 255, 72.79f * 255, 70.01f * 255}, true, Fit::stretch, 0}},
  };
  return list;
}

int64_t known(const Dim& dim) { return dim.known() ? dim.value : 0; }
}  // namespace

int segmenter_classes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  bool one = model.inputs().size() == 1 && !outputs.empty() && outputs[0].size() == 4 &&
             model.outputs()[0].value->type.dtype == DType::f32;
  if (!one || outputs[0][1] < 2 || outputs[0][1] > 254 || outputs[0][2] < 2 || outputs[0][3] < 2) return 0;
  return static_cast<int>(outputs[0][1]);
}

std::optional<InputRule> segmenter_rule(const Graph& model) {
  int classes = segmenter_classes(model);
  if (classes == 0 || model.inputs()[0]->shape().rank() != 4) return std::nullopt;
  const Shape& input = model.inputs()[0]->shape();
  for (const KnownSegmenter& one : known_segmenters())
    if (classes == one.classes && known(input[2]) == one.height && known(input[3]) == one.width) return one.rule;
  return std::nullopt;
}

InputRule segmenter_input(const Graph& model, const ImageFlags& flags) {
  if (flags.ready_for_images(model)) return {};
  std::optional<InputRule> rule = segmenter_rule(model);
  if (rule && flags.given().empty()) return *rule;
  Preprocess given = flags.preprocess(model);
  return {given.mean, given.std, given.bgr, Fit::stretch, 0};
}

SegmentationEvaluation evaluate_segmentation(const Graph& model, const InputRule& rule, const Dataset& data,
                                             const DeviceOptions& device, Progress& progress,
                                             const OnClasses& on_image) {
  Segmenter segmenter(model, rule, device);
  SegmentationEvaluation result;
  result.matrix = SegmentationMatrix(std::max<int>(segmenter_classes(model), static_cast<int>(data.classes.size())));
  result.shares.assign(sample_shares, result.matrix);
  auto begin = std::chrono::steady_clock::now();
  progress.begin("evaluating", static_cast<int64_t>(data.samples.size()));
  for (const Sample& sample : data.samples) {
    check_interrupt("evaluation");
    try {
      Tensor image = image_of(sample), truth = read_mask(sample.mask, data.masks);
      if (truth.dim(0) != image.dim(0) || truth.dim(1) != image.dim(1))
        throw Error("", fmt::format("its mask is {}x{}, the image {}x{}", truth.dim(1), truth.dim(0), image.dim(1),
                                    image.dim(0)));
      Tensor predicted = segmenter.classes_of(image);
      result.matrix.add(truth.data<uint8_t>(), predicted.data<uint8_t>());
      result.shares[static_cast<size_t>(result.images) % sample_shares].add(truth.data<uint8_t>(),
                                                                            predicted.data<uint8_t>());
      if (on_image) on_image(sample, truth, predicted);
      progress.update(++result.images, fmt::format("mIoU {}", format_percent(result.matrix.mean_iou())));
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      result.skipped.push_back({sample.path, error.problem()});
    }
  }
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (result.images < static_cast<int64_t>(2 * sample_shares)) result.shares.clear();
  if (result.images == 0)
    throw Error("data", fmt::format("none of the {} images can be used", data.samples.size()),
                result.skipped.empty()
                    ? ""
                    : "the first: " + result.skipped[0].path.string() + ": " + result.skipped[0].reason);
  return result;
}

namespace {
std::string class_name(const Dataset& data, size_t index) {
  return index < data.classes.size() ? data.classes[index] : fmt::format("class {}", index);
}
}  // namespace

Json to_json(const SegmentationEvaluation& e, const Dataset& data) {
  Json json = {{"task", "segmentation"},
               {"images", e.images},
               {"miou", e.matrix.mean_iou()},
               {"dice", e.matrix.mean_dice()},
               {"pixel_accuracy", e.matrix.pixel_accuracy()},
               {"mean_accuracy", e.matrix.mean_accuracy()},
               {"seconds", e.seconds}};
  json["classes"] = Json::array();
  std::vector<SegmentationScore> scores = e.matrix.per_class();
  for (size_t i = 0; i < scores.size(); ++i)
    if (scores[i].occurs)
      json["classes"].push_back({{"name", class_name(data, i)},
                                 {"index", i},
                                 {"pixels", scores[i].pixels},
                                 {"iou", scores[i].iou},
                                 {"dice", scores[i].dice},
                                 {"precision", scores[i].precision},
                                 {"recall", scores[i].recall}});
  json["skipped"] = Json::array();
  for (const Skipped& file : e.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const SegmentationEvaluation& e, const Dataset& data) {
  std::string text =
      fmt::format("mIoU {}   Dice {}   pixel accuracy {}   mean accuracy {}   ({} images, {:.1f} images/s)\n\n",
                  format_percent(e.matrix.mean_iou()), format_percent(e.matrix.mean_dice()),
                  format_percent(e.matrix.pixel_accuracy()), format_percent(e.matrix.mean_accuracy()), e.images,
                  e.seconds > 0 ? static_cast<double>(e.images) / e.seconds : 0);
  Table table({"class", "pixels", "IoU", "Dice", "precision", "recall"});
  std::vector<SegmentationScore> scores = e.matrix.per_class();
  for (size_t i = 0; i < scores.size(); ++i)
    if (scores[i].occurs)
      table.add({class_name(data, i), format_count(static_cast<double>(scores[i].pixels)),
                 format_percent(scores[i].iou), format_percent(scores[i].dice), format_percent(scores[i].precision),
                 format_percent(scores[i].recall)});
  text += table.text();
  if (!e.skipped.empty()) text += '\n' + describe_skipped(e.skipped);
  return text;
}

}  // namespace hone::app
