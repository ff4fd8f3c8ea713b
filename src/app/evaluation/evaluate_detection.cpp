#include "app/evaluation/evaluate_detection.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "app/support/skipped.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {
std::string figure(double value) { return value < 0 ? "-" : fmt::format("{:.1f}", 100 * value); }

ImageSize input_size(const Graph& model) {
  const Value* input = model.inputs().size() == 1 ? model.inputs()[0] : nullptr;
  const Shape* shape = input ? &input->shape() : nullptr;
  if (!shape || shape->rank() != 4 || (*shape)[1] != Dim(3) || !(*shape)[2].known() || !(*shape)[3].known())
    throw Error("graph '" + model.name + "'", "is no plain image model",
                "expected one input f32 [N, 3, height, width] of fixed size");
  return {static_cast<int>((*shape)[2].value), static_cast<int>((*shape)[3].value)};
}

/// The error when not one image could be used.
void require_images(int64_t images, const std::vector<Skipped>& skipped) {
  if (images > 0) return;
  throw Error("data", fmt::format("none of the {} images can be used", skipped.size()),
              skipped.empty() ? "" : "the first: " + skipped[0].path.string() + ": " + skipped[0].reason);
}
std::vector<double> shares_of(const Dataset& truth, const std::vector<Detection>& detections) {
  std::vector<double> result;
  if (truth.samples.size() < 2 * sample_shares) return result;
  for (size_t share = 0; share < sample_shares; ++share) {
    Dataset images = truth;
    images.samples.clear();
    for (size_t i = share; i < truth.samples.size(); i += sample_shares) images.samples.push_back(truth.samples[i]);
    std::vector<Detection> found;
    for (const Detection& one : detections)
      if (static_cast<size_t>(one.image) % sample_shares == share)
        found.push_back(one), found.back().image /= static_cast<int>(sample_shares);
    result.push_back(std::max(0.0, coco_scores(images, found).ap));
  }
  return result;
}
}  // namespace

void keep_part(Dataset& dataset, const std::string& part) {
  auto count = [&](Part wanted) {
    return std::count_if(dataset.samples.begin(), dataset.samples.end(),
                         [&](const Sample& sample) { return sample.part == wanted; });
  };
  if (part == "all") return;
  Part chosen = part == "train" ? Part::train : part == "test" ? Part::test : Part::validation;
  if (part.empty()) {
    if (count(Part::validation) == 0) chosen = Part::test;
    if (count(chosen) == 0) return;
  }
  if (count(chosen) == 0)
    throw Error("part '" + part + "'",
                fmt::format("the data set has no samples of it ({} train, {} validation, {} test)", count(Part::train),
                            count(Part::validation), count(Part::test)),
                "choose another, or all");
  std::erase_if(dataset.samples, [&](const Sample& sample) { return sample.part != chosen; });
}

DetectionEvaluation evaluate_detection(const Graph& model, const Decoder& decoder, const Dataset& data,
                                       const DeviceOptions& device, double least_score, Progress& progress,
                                       const OnDetections& on_image) {
  ImageSize size = decoder.finished ? ImageSize{} : input_size(model);
  Session session(load(model, device));
  DetectionEvaluation result;
  std::vector<Detection> all;
  Dataset truth = data;
  truth.samples.clear();
  auto begin = std::chrono::steady_clock::now();
  progress.begin("evaluating", static_cast<int64_t>(data.samples.size()));
  for (const Sample& sample : data.samples) {
    check_interrupt("evaluation");
    Tensor image;
    try {
      image = image_of(sample);
    } catch (const Error& error) {
      result.skipped.push_back({sample.path, error.problem()});
      continue;
    }
    Placement placement;
    Tensor input = decoder.finished ? image.reshaped({1, image.dim(0), image.dim(1), 3})
                                    : network_input(image, size, decoder.input, placement);
    std::vector<Tensor> tensors = session.run(std::span(&input, 1));
    Outputs outputs;
    for (size_t i = 0; i < tensors.size(); ++i) outputs.emplace_back(model.outputs()[i].name, tensors[i]);
    std::vector<Detection> found = decoder.decode(outputs, size, least_score);
    if (!decoder.finished) found = suppress(std::move(found), decoder.nms_iou);
    for (Detection& one : found) {
      one.box = clipped(placement.undo(one.box), static_cast<double>(image.dim(1)), static_cast<double>(image.dim(0)));
      one.image = static_cast<int>(truth.samples.size());
    }
    std::erase_if(found, [&](const Detection& one) { return one.label >= static_cast<int>(data.classes.size()); });
    if (on_image) on_image(sample, found);
    all.insert(all.end(), found.begin(), found.end());
    result.objects += static_cast<int64_t>(sample.objects.size());
    truth.samples.push_back(sample);
    progress.update(++result.images);
  }
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  require_images(result.images, result.skipped);
  result.coco = coco_scores(truth, all);
  result.shares = shares_of(truth, all);
  result.voc = voc_scores(truth, all);
  return result;
}

Json to_json(const DetectionEvaluation& e, const Dataset& data) {
  const CocoScores& c = e.coco;
  Json json = {{"task", "detection"},
               {"images", e.images},
               {"objects", e.objects},
               {"map", c.ap},
               {"map50", c.ap50},
               {"map75", c.ap75},
               {"map_small", c.ap_small},
               {"map_medium", c.ap_medium},
               {"map_large", c.ap_large},
               {"ar1", c.ar1},
               {"ar10", c.ar10},
               {"ar100", c.ar100},
               {"ar_small", c.ar_small},
               {"ar_medium", c.ar_medium},
               {"ar_large", c.ar_large},
               {"voc_map", e.voc.map_area},
               {"voc07_map", e.voc.map_11_point},
               {"seconds", e.seconds}};
  json["classes"] = Json::array();
  for (size_t i = 0; i < c.class_ap.size(); ++i)
    if (c.class_ap[i] >= 0)
      json["classes"].push_back({{"name", data.classes[i]},
                                 {"map", c.class_ap[i]},
                                 {"map50", c.class_ap50[i]},
                                 {"voc_ap", e.voc.class_area[i]},
                                 {"voc07_ap", e.voc.class_11_point[i]}});
  json["skipped"] = Json::array();
  for (const Skipped& file : e.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const DetectionEvaluation& e, const Dataset& data) {
  const CocoScores& c = e.coco;
  std::string text =
      fmt::format("mAP {} (IoU 0.50:0.95)   mAP50 {}   mAP75 {}   ({} images, {} objects, {:.1f} images/s)\n",
                  figure(c.ap), figure(c.ap50), figure(c.ap75), e.images, e.objects,
                  e.seconds > 0 ? static_cast<double>(e.images) / e.seconds : 0);
  text += fmt::format("by size: small {}, medium {}, large {}   recall with 1/10/100 boxes: {} / {} / {}\n",
                      figure(c.ap_small), figure(c.ap_medium), figure(c.ap_large), figure(c.ar1), figure(c.ar10),
                      figure(c.ar100));
  text +=
      fmt::format("Pascal VOC: mAP {} (area), {} (11 points)\n\n", figure(e.voc.map_area), figure(e.voc.map_11_point));
  std::vector<int64_t> counts = data.class_counts();
  Table table({"class", "objects", "AP", "AP50"});
  for (size_t i = 0; i < c.class_ap.size(); ++i)
    if (c.class_ap[i] >= 0)
      table.add({data.classes[i], std::to_string(counts[i]), figure(c.class_ap[i]), figure(c.class_ap50[i])});
  text += table.text();
  if (!e.skipped.empty()) text += '\n' + describe_skipped(e.skipped);
  return text;
}

}  // namespace hone::app
