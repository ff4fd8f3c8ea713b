#include "train/templates/yolox.hpp"

#include <fmt/format.h>

#include "train/templates/detection_layers.hpp"

namespace hone {

namespace {

constexpr Activation swish = Activation::swish;

class Yolox {
 public:
  Yolox(Graph& graph, const TemplateOptions& options, double width, bool separable)
      : graph_(graph),
        layers_(graph, options.seed),
        options_(options),
        width_(width * options.width),
        separable_(separable) {}

  /// The maps of strides 8, 16 and 32.
  std::vector<Value*> darknet(Value* x) {
    x = layers_.block(x, {.out = scaled(64), .kernel = 6, .stride = 2, .pad = 2}, swish, "backbone/stem");
    std::vector<Value*> maps;
    const int64_t channels[] = {128, 256, 512, 1024};
    const int depths[] = {1, 3, 3, 1};
    for (size_t i = 0; i < 4; ++i) {
      std::string name = fmt::format("backbone/dark{}", i + 2);
      x = conv(x, {.out = scaled(channels[i]), .kernel = 3, .stride = 2}, name + ".down");
      if (i == 3) x = spatial_pools(x, scaled(channels[i]), name + ".spp");
      x = csp(x, scaled(channels[i]), depths[i], i != 3, name + ".csp");
      if (i > 0) maps.push_back(x);
    }
    return maps;
  }

  /// A given backbone with less than three maps goes on with more.
  void extend(std::vector<Value*>& maps) {
    for (int number = 1; maps.size() < 3; ++number)
      maps.push_back(layers_.halved(maps.back(), scaled(256), scaled(1024), swish, fmt::format("deeper{}", number)));
  }

  /// From coarse to fine and back (Liu et al. 2018); channels 256, 512 and 1024 times the width.
  std::vector<Value*> pyramid(const std::vector<Value*>& maps) {
    Value *fine = maps[maps.size() - 3], *middle = maps[maps.size() - 2], *coarse = maps.back();
    Value* lateral = layers_.block(coarse, {.out = scaled(512)}, swish, "neck.lateral");
    Value* top =
        csp(joined(layers_.twice(lateral, "neck.up0"), middle, "neck.join0"), scaled(512), 1, false, "neck.top");
    Value* reduced = layers_.block(top, {.out = scaled(256)}, swish, "neck.reduce");
    Value* out0 =
        csp(joined(layers_.twice(reduced, "neck.up1"), fine, "neck.join1"), scaled(256), 1, false, "neck.out0");
    Value* down = conv(out0, {.out = scaled(256), .kernel = 3, .stride = 2}, "neck.down0");
    Value* out1 = csp(joined(down, reduced, "neck.join2"), scaled(512), 1, false, "neck.out1");
    down = conv(out1, {.out = scaled(512), .kernel = 3, .stride = 2}, "neck.down1");
    Value* out2 = csp(joined(down, lateral, "neck.join3"), scaled(1024), 1, false, "neck.out2");
    return {out0, out1, out2};
  }

  void head(const std::vector<Value*>& maps) {
    DetectorHead head{HeadKind::yolox, options_.classes, options_.height, options_.width_px, {}};
    std::vector<Value*> logits, boxes, objectness;
    for (size_t i = 0; i < maps.size(); ++i) {
      const Shape& shape = maps[i]->shape();
      float step = step_of(maps[i], options_);
      head.levels.push_back({shape[2].value, shape[3].value, step, {{step, step}}});
      std::string name = fmt::format("head{}", i);
      Value* x = layers_.block(maps[i], {.out = scaled(256)}, swish, name + ".stem");
      Value *classes = x, *box = x;
      for (int layer = 0; layer < 2; ++layer) {
        classes = conv(classes, {.out = scaled(256), .kernel = 3}, fmt::format("{}.class{}", name, layer));
        box = conv(box, {.out = scaled(256), .kernel = 3}, fmt::format("{}.box{}", name, layer));
      }
      logits.push_back(predict(classes, prior_bias(1, options_.classes), name + ".logits"));
      boxes.push_back(predict(box, {0, 0, 0, 0}, name + ".boxes"));
      objectness.push_back(predict(box, prior_bias(1, 1), name + ".objectness"));
    }
    finish_head(graph_, head, layers_.concat(logits, 1, "class_logits"), layers_.concat(boxes, 1, "boxes"),
                layers_.concat(objectness, 1, "objectness"));
  }

 private:
  int64_t scaled(int64_t channels) const { return scaled_channels(channels, width_); }
  Value* conv(Value* x, const LayerSpec& spec, const std::string& name) {
    return separable_ ? layers_.separable(x, spec, swish, name) : layers_.block(x, spec, swish, name);
  }
  Value* joined(Value* a, Value* b, const std::string& name) { return layers_.concat({a, b}, 1, name); }

  /// Two branches, one of them with bottlenecks, joined (Wang et al. 2020).
  Value* csp(Value* x, int64_t out, int depth, bool residual, const std::string& name) {
    int64_t hidden = out / 2;
    Value* a = layers_.block(x, {.out = hidden}, swish, name + ".a");
    Value* b = layers_.block(x, {.out = hidden}, swish, name + ".b");
    for (int i = 0; i < depth; ++i) {
      std::string inner = fmt::format("{}.{}", name, i);
      Value* y = conv(layers_.block(a, {.out = hidden}, swish, inner + ".reduce"), {.out = hidden, .kernel = 3}, inner);
      a = residual ? layers_.add(y, a, inner + ".add") : y;
    }
    return layers_.block(joined(a, b, name + ".join"), {.out = out}, swish, name + ".merge");
  }

  Value* spatial_pools(Value* x, int64_t out, const std::string& name) {
    x = layers_.block(x, {.out = x->shape()[1].value / 2}, swish, name + ".reduce");
    std::vector<Value*> parts{x};
    for (int64_t kernel : {5, 9, 13})
      parts.push_back(layers_.max_pool(x, kernel, 1, false, fmt::format("{}.pool{}", name, kernel)));
    return layers_.block(layers_.concat(parts, 1, name + ".join"), {.out = out}, swish, name + ".merge");
  }

  Value* predict(Value* x, const std::vector<float>& bias, const std::string& name) {
    auto out = static_cast<int64_t>(bias.size());
    Value* weights = layers_.weights(name, x->shape()[1].value, {.out = out}, 0.01);
    return layers_.rows(layers_.conv(x, {.out = out}, weights, layers_.constant(name + ".bias", bias), name), out,
                        name);
  }

  Graph& graph_;
  DetectionLayers layers_;
  const TemplateOptions& options_;
  double width_;
  bool separable_;
};

Graph build(const char* name, const TemplateOptions& options, double width, bool separable) {
  check_detector(name, options, 64, 32);
  Graph graph;
  graph.name = name;
  Value* input = detector_input(graph, options);
  Yolox yolox(graph, options, width, separable);
  std::vector<Value*> maps = options.backbone ? add_backbone(graph, input, options) : yolox.darknet(input);
  yolox.extend(maps);
  yolox.head(yolox.pyramid(maps));
  return graph;
}

}  // namespace

Graph build_yolox_nano(const TemplateOptions& options) { return build("yolox_nano", options, 0.25, true); }
Graph build_yolox_tiny(const TemplateOptions& options) { return build("yolox_tiny", options, 0.375, false); }

}  // namespace hone
