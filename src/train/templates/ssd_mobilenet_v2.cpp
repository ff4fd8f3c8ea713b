#include "train/templates/ssd_mobilenet_v2.hpp"

#include <cmath>

#include <fmt/format.h>

#include "train/templates/detection_layers.hpp"

namespace hone {

namespace {

constexpr size_t levels = 5;
constexpr Activation relu6 = Activation::relu6;

/// Squares of 2 and 2.8 steps, and boxes of aspect 1 : 2 and 2 : 1 between them; the next level goes on with 4 steps.
std::vector<std::array<float, 2>> anchors_at(float step) {
  float side = 2 * step, middle = side * std::exp2(0.25f), root = std::sqrt(2.0f);
  return {{side, side}, {side * root, side * root}, {middle * root, middle / root}, {middle / root, middle * root}};
}

/// A depthwise convolution and a linear one with bias.
Value* predict(DetectionLayers& layers, Value* x, int64_t columns, const std::vector<float>& bias,
               const std::string& name) {
  int64_t channels = x->shape()[1].value, out = static_cast<int64_t>(bias.size());
  x = layers.block(x, {.out = channels, .kernel = 3, .group = channels}, relu6, name + ".depthwise");
  x = layers.conv(x, {.out = out}, layers.weights(name, channels, {.out = out}, 0.01),
                  layers.constant(name + ".bias", bias), name);
  return layers.rows(x, columns, name);
}

}  // namespace

Graph build_ssd_mobilenet_v2(const TemplateOptions& options) {
  check_detector("ssd_mobilenet_v2", options, 32, 1);
  Graph graph;
  graph.name = "ssd_mobilenet_v2";
  Value* input = detector_input(graph, options);
  std::vector<Value*> maps = add_backbone(graph, input, options);
  DetectionLayers layers(graph, options.seed + 1);
  for (int number = 1; maps.size() < levels; ++number)
    maps.push_back(layers.halved(maps.back(), scaled_channels(128, options.width), scaled_channels(256, options.width),
                                 relu6, fmt::format("extra{}", number)));
  // Backbones have few channels where maps are large: enough for the next layer, too few to tell objects by.
  int64_t least = scaled_channels(128, options.width);
  for (size_t i = 0; i < maps.size(); ++i)
    if (maps[i]->shape()[1].value < least)
      maps[i] = layers.block(maps[i], {.out = least}, relu6, fmt::format("widen{}", i));
  DetectorHead head{HeadKind::ssd, options.classes, options.height, options.width_px, {}};
  std::vector<Value*> logits, boxes;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Shape& shape = maps[i]->shape();
    float step = step_of(maps[i], options);
    head.levels.push_back({shape[2].value, shape[3].value, step, anchors_at(step)});
    auto anchors = static_cast<int64_t>(head.levels.back().anchors.size());
    std::vector<float> bias(static_cast<size_t>(anchors * head.columns()), 0.0f);
    // Softmax over background and classes: mostly background at the start.
    for (int64_t a = 0; a < anchors; ++a)
      bias[static_cast<size_t>(a * head.columns())] = std::log(static_cast<float>(head.classes) * 19);
    logits.push_back(predict(layers, maps[i], head.columns(), bias, fmt::format("class{}", i)));
    boxes.push_back(predict(layers, maps[i], 4, std::vector<float>(static_cast<size_t>(4 * anchors), 0.0f),
                            fmt::format("box{}", i)));
  }
  finish_head(graph, head, layers.concat(logits, 1, "class_logits"), layers.concat(boxes, 1, "boxes"));
  return graph;
}

}  // namespace hone
