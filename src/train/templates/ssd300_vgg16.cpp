#include "train/templates/ssd300_vgg16.hpp"

#include <cmath>

#include <fmt/format.h>

#include "train/templates/detection_layers.hpp"

namespace hone {

namespace {

constexpr size_t levels = 6;

class Builder {
 public:
  Builder(Graph& graph, const TemplateOptions& options) : layers_(graph, options.seed), options_(options) {}

  /// conv4_3 and fc7.
  std::vector<Value*> vgg(Value* x) {
    struct Stage {
      int64_t channels;
      int layers;
    };
    const Stage stages[] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};
    std::vector<Value*> maps;
    int stage_number = 0;
    for (const Stage& stage : stages) {
      ++stage_number;
      for (int i = 1; i <= stage.layers; ++i)
        x = conv(x, {.out = scaled(stage.channels), .kernel = 3}, fmt::format("backbone/conv{}_{}", stage_number, i));
      if (stage_number == 4) maps.push_back(x);
      std::string pool = fmt::format("backbone/pool{}", stage_number);
      x = stage_number < 5 ? layers_.max_pool(x, 2, 2, stage_number == 3, pool)
                           : layers_.max_pool(x, 3, 1, false, pool);
    }
    x = conv(x, {.out = scaled(1024), .kernel = 3, .dilation = 6}, "backbone/fc6");
    maps.push_back(conv(x, {.out = scaled(1024)}, "backbone/fc7"));
    return maps;
  }

  /// The levels behind the backbone: 1x1, then 3x3 that halves the size; at 300 x 300 the last two without padding.
  void extend(std::vector<Value*>& maps) {
    const int64_t hidden[] = {256, 128, 128, 128}, out[] = {512, 256, 256, 256};
    for (size_t i = 0; maps.size() < levels && i < 4; ++i) {
      std::string name = fmt::format("conv{}", i + 8);
      Value* x = conv(maps.back(), {.out = scaled(hidden[i])}, name + "_1");
      bool unpadded = published() && i >= 2;
      maps.push_back(conv(x, {.out = scaled(out[i]), .kernel = 3, .stride = unpadded ? 1 : 2, .pad = unpadded ? 0 : 1},
                          name + "_2"));
    }
  }

  /// x / |x| * 20 over the channels of each position (Liu et al. 2015, ParseNet).
  Value* normalized(Value* x) {
    Value* squares = layers_.node("Mul", {x, x}, {}, "l2norm.squares");
    Value* axes = layers_.node("Constant", {}, {{"value_ints", std::vector<int64_t>{1}}}, "l2norm.axes");
    Value* sum = layers_.node("ReduceSum", {squares, axes}, {{"keepdims", int64_t{1}}}, "l2norm.sum");
    sum = layers_.node("Add", {sum, layers_.scalar("l2norm.epsilon", 1e-10f)}, {}, "l2norm.positive");
    Value* length = layers_.node("Sqrt", {sum}, {}, "l2norm.length");
    Value* factor = layers_.node("Div", {layers_.scalar("l2norm.scale", 20), length}, {}, "l2norm.factor");
    return layers_.node("Mul", {x, factor}, {}, "l2norm");
  }

  /// Sides 10% of the input, then 20 to 88% in even steps, and between each and the next; aspects 1, 2, 1/2 and, on the
  /// middle levels, 3, 1/3.
  HeadLevel level(const Value* map, size_t index) const {
    const float sides[] = {0.1f, 0.2f, 0.37f, 0.54f, 0.71f, 0.88f, 1.05f};
    const float official_steps[] = {8, 16, 32, 64, 100, 300};
    HeadLevel level{
        map->shape()[2].value, map->shape()[3].value, published() ? official_steps[index] : step_of(map, options_), {}};
    auto full = static_cast<float>(std::min(options_.height, options_.width_px));
    float side = full * sides[index], larger = full * std::sqrt(sides[index] * sides[index + 1]);
    level.anchors = {{side, side}, {larger, larger}};
    bool wide = index >= 1 && index <= 3;
    for (float aspect : {2.0f, 3.0f}) {
      if (aspect == 3 && !wide) continue;
      float root = std::sqrt(aspect);
      level.anchors.push_back({side * root, side / root});
      level.anchors.push_back({side / root, side * root});
    }
    return level;
  }

  Value* predict(Value* x, int64_t columns, const std::vector<float>& bias, const std::string& name) {
    LayerSpec spec{.out = static_cast<int64_t>(bias.size()), .kernel = 3};
    x = layers_.conv(x, spec, layers_.weights(name, x->shape()[1].value, spec, 0.01),
                     layers_.constant(name + ".bias", bias), name);
    return layers_.rows(x, columns, name);
  }

  DetectionLayers& layers() { return layers_; }

 private:
  bool published() const { return options_.height == 300 && options_.width_px == 300 && !options_.backbone; }
  int64_t scaled(int64_t channels) const { return scaled_channels(channels, options_.width); }
  Value* conv(Value* x, const LayerSpec& spec, const std::string& name) {
    return layers_.activate(layers_.plain(x, spec, name), Activation::relu, name);
  }

  DetectionLayers layers_;
  const TemplateOptions& options_;
};

}  // namespace

Graph build_ssd300_vgg16(const TemplateOptions& options) {
  check_detector("ssd300_vgg16", options, 96, 1);
  Graph graph;
  graph.name = "ssd300_vgg16";
  Value* input = detector_input(graph, options);
  Builder build(graph, options);
  std::vector<Value*> maps = options.backbone ? add_backbone(graph, input, options) : build.vgg(input);
  build.extend(maps);
  maps.resize(std::min(maps.size(), levels));
  maps[0] = build.normalized(maps[0]);
  DetectorHead head{HeadKind::ssd, options.classes, options.height, options.width_px, {}};
  std::vector<Value*> logits, boxes;
  for (size_t i = 0; i < maps.size(); ++i) {
    head.levels.push_back(build.level(maps[i], i));
    auto anchors = static_cast<int64_t>(head.levels.back().anchors.size());
    std::vector<float> bias(static_cast<size_t>(anchors * head.columns()), 0.0f);
    for (int64_t a = 0; a < anchors; ++a)
      bias[static_cast<size_t>(a * head.columns())] = std::log(static_cast<float>(head.classes) * 19);
    logits.push_back(build.predict(maps[i], head.columns(), bias, fmt::format("class{}", i)));
    boxes.push_back(
        build.predict(maps[i], 4, std::vector<float>(static_cast<size_t>(4 * anchors), 0.0f), fmt::format("box{}", i)));
  }
  finish_head(graph, head, build.layers().concat(logits, 1, "class_logits"), build.layers().concat(boxes, 1, "boxes"));
  return graph;
}

}  // namespace hone
