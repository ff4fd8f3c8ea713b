#include "train/templates/atss.hpp"

#include <fmt/format.h>

#include "train/templates/detection_layers.hpp"

namespace hone {

namespace {

constexpr size_t pyramid_levels = 3, levels = 5;
constexpr int tower_layers = 2;
constexpr float anchor_steps = 4;  ///< side of the box that a point stands for at the start
constexpr Activation relu6 = Activation::relu6;

/// Separable layers with weights made once and used on every level.
class Tower {
 public:
  Tower(DetectionLayers& layers, int64_t channels, const std::vector<float>& bias, std::string name)
      : layers_(layers), channels_(channels), out_(static_cast<int64_t>(bias.size())), name_(std::move(name)) {
    for (int i = 0; i < tower_layers; ++i) {
      depthwise_.push_back(layers.weights(fmt::format("{}.{}.depthwise", name_, i), channels, depthwise_spec()));
      pointwise_.push_back(layers.weights(fmt::format("{}.{}.pointwise", name_, i), channels, {.out = channels}));
    }
    last_ = layers.weights(name_ + ".last", channels, {.out = out_}, 0.01);
    bias_ = layers.constant(name_ + ".last.bias", bias);
  }

  Value* apply(Value* x, int64_t columns, size_t level) {
    for (size_t i = 0; i < depthwise_.size(); ++i) {
      std::string name = fmt::format("{}{}.{}", name_, level, i);
      x = layers_.block(x, depthwise_spec(), relu6, name + ".depthwise", depthwise_[i]);
      x = layers_.block(x, {.out = channels_}, relu6, name + ".pointwise", pointwise_[i]);
    }
    std::string name = fmt::format("{}{}.last", name_, level);
    return layers_.rows(layers_.conv(x, {.out = out_}, last_, bias_, name), columns, name);
  }

 private:
  LayerSpec depthwise_spec() const { return {.out = channels_, .kernel = 3, .group = channels_}; }

  DetectionLayers& layers_;
  int64_t channels_, out_;
  std::string name_;
  std::vector<Value*> depthwise_, pointwise_;
  Value *last_, *bias_;
};

/// Lateral 1x1 convolutions, the coarser map added to the finer one, smoothed; then maps of half the size each.
std::vector<Value*> pyramid(DetectionLayers& layers, std::vector<Value*> maps, int64_t channels) {
  if (maps.size() > pyramid_levels) maps.erase(maps.begin(), maps.end() - pyramid_levels);
  for (int number = 1; maps.size() < pyramid_levels; ++number)
    maps.push_back(layers.halved(maps.back(), channels, 2 * channels, relu6, fmt::format("deeper{}", number)));
  for (size_t i = 0; i < maps.size(); ++i)
    maps[i] = layers.block(maps[i], {.out = channels}, Activation::none, fmt::format("lateral{}", i));
  for (size_t i = maps.size() - 1; i-- > 0;)
    maps[i] = layers.add(maps[i], layers.twice(maps[i + 1], fmt::format("up{}", i)), fmt::format("merge{}", i));
  for (size_t i = 0; i < maps.size(); ++i)
    maps[i] = layers.separable(maps[i], {.out = channels, .kernel = 3}, relu6, fmt::format("pyramid{}", i));
  for (size_t i = maps.size(); i < levels; ++i)
    maps.push_back(
        layers.separable(maps.back(), {.out = channels, .kernel = 3, .stride = 2}, relu6, fmt::format("pyramid{}", i)));
  return maps;
}

}  // namespace

Graph build_atss(const TemplateOptions& options) {
  check_detector("atss", options, 64, 32);
  Graph graph;
  graph.name = "atss";
  Value* input = detector_input(graph, options);
  std::vector<Value*> maps = add_backbone(graph, input, options);
  DetectionLayers layers(graph, options.seed + 1);
  int64_t channels = scaled_channels(128, options.width);
  maps = pyramid(layers, std::move(maps), channels);
  DetectorHead head{HeadKind::atss, options.classes, options.height, options.width_px, {}};
  Tower classes(layers, channels, prior_bias(1, head.classes), "class"), sides(layers, channels, {0, 0, 0, 0}, "box");
  std::vector<Value*> logits, boxes;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Shape& shape = maps[i]->shape();
    float step = step_of(maps[i], options), side = anchor_steps * step;
    head.levels.push_back({shape[2].value, shape[3].value, step, {{side, side}}});
    logits.push_back(classes.apply(maps[i], head.classes, i));
    boxes.push_back(sides.apply(maps[i], 4, i));
  }
  finish_head(graph, head, layers.concat(logits, 1, "class_logits"), layers.concat(boxes, 1, "boxes"));
  return graph;
}

}  // namespace hone
