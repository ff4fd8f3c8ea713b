#include "app/support/detectors/decoder.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "data/read.hpp"
#include "graph/preprocess.hpp"

namespace hone::app {

const std::vector<Decoder>& decoders() {
  static const std::vector<Decoder> list = {hone_decoder,       yolox_decoder,     nanodet_decoder,
                                            fastestdet_decoder, ultraface_decoder, yunet_decoder};
  return list;
}

const Decoder* find_decoder(const std::string& name, const Graph& model) {
  std::vector<std::string> names;
  for (const Decoder& decoder : decoders()) {
    bool known = decoder.finished == takes_images(model) && decoder.recognizes(model);
    if (name.empty() ? known : name == decoder.name) return &decoder;
    names.emplace_back(decoder.name);
  }
  if (name.empty()) return nullptr;
  std::vector<std::string> near = nearest_words(name, names, 1);
  throw Error("decoder", fmt::format("'{}' is none of {}", name, fmt::join(names, ", ")),
              near.empty() ? "" : fmt::format("did you mean '{}'?", near[0]));
}

std::vector<Detection> suppress(std::vector<Detection> detections, double limit, size_t most) {
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  std::vector<Detection> kept;
  for (const Detection& one : detections) {
    if (kept.size() >= most) break;
    bool hidden = std::any_of(kept.begin(), kept.end(), [&](const Detection& better) {
      return better.label == one.label && iou(better.box, one.box) > limit;
    });
    if (!hidden) kept.push_back(one);
  }
  return kept;
}

Tensor network_input(const Tensor& image, const ImageSize& size, const InputRule& rule, Placement& placement) {
  ImageSize source{static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))};
  placement = fit(source, size, rule.fit);
  int height = std::clamp(static_cast<int>(std::lround(source.height * placement.scale_y)), 1, size.height);
  int width = std::clamp(static_cast<int>(std::lround(source.width * placement.scale_x)), 1, size.width);
  auto top = static_cast<int>(std::lround(placement.offset_y)),
       left = static_cast<int>(std::lround(placement.offset_x));
  top = std::clamp(top, 0, size.height - height), left = std::clamp(left, 0, size.width - width);
  Tensor resized = resize_linear(image, height, width);
  auto in = resized.data<uint8_t>();
  Tensor input(DType::f32, {1, 3, size.height, size.width});
  auto out = input.mutable_data<float>();
  auto plane = static_cast<size_t>(size.height) * static_cast<size_t>(size.width);
  for (size_t c = 0; c < 3; ++c) {
    float mean = rule.mean[c], scale = 1 / rule.std[c];
    size_t channel = rule.bgr ? 2 - c : c;
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(c * plane), plane,
                (static_cast<float>(rule.fill) - mean) * scale);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        auto from = static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
        auto to = static_cast<size_t>(y + top) * static_cast<size_t>(size.width) + static_cast<size_t>(x + left);
        out[c * plane + to] = (static_cast<float>(in[3 * from + channel]) - mean) * scale;
      }
  }
  return input;
}

void map_detector_classes(Dataset& data, const std::vector<std::string>& names, const Decoder& decoder) {
  const std::vector<std::string>& classes = names.empty() ? decoder.classes() : names;
  if (!classes.empty()) map_classes(data, classes);
}

std::vector<Dims> output_dims(const Graph& model) {
  std::vector<Dims> all;
  for (const GraphOutput& output : model.outputs()) {
    Dims& dims = all.emplace_back();
    const Shape& shape = output.value->type.shape;
    for (int i = 0; i < shape.rank(); ++i)
      dims.push_back(shape[static_cast<size_t>(i)].known() ? shape[static_cast<size_t>(i)].value : 0);
  }
  return all;
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

const std::vector<std::string>& coco_classes() {
  static const std::vector<std::string> names = {
      "person",         "bicycle",    "car",           "motorcycle",    "airplane",     "bus",           "train",
      "truck",          "boat",       "traffic light", "fire hydrant",  "stop sign",    "parking meter", "bench",
      "bird",           "cat",        "dog",           "horse",         "sheep",        "cow",           "elephant",
      "bear",           "zebra",      "giraffe",       "backpack",      "umbrella",     "handbag",       "tie",
      "suitcase",       "frisbee",    "skis",          "snowboard",     "sports ball",  "kite",          "baseball bat",
      "baseball glove", "skateboard", "surfboard",     "tennis racket", "bottle",       "wine glass",    "cup",
      "fork",           "knife",      "spoon",         "bowl",          "banana",       "apple",         "sandwich",
      "orange",         "broccoli",   "carrot",        "hot dog",       "pizza",        "donut",         "cake",
      "chair",          "couch",      "potted plant",  "bed",           "dining table", "toilet",        "tv",
      "laptop",         "mouse",      "remote",        "keyboard",      "cell phone",   "microwave",     "oven",
      "toaster",        "sink",       "refrigerator",  "book",          "clock",        "vase",          "scissors",
      "teddy bear",     "hair drier", "toothbrush"};
  return names;
}

const std::vector<std::string>& face_classes() {
  static const std::vector<std::string> names = {"face"};
  return names;
}

}  // namespace hone::app
