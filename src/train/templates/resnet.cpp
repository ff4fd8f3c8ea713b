#include "train/templates/resnet.hpp"

#include <fmt/format.h>

#include "train/templates/classifier_layers.hpp"

namespace hone {

namespace {

/// 3x3, 3x3; or (bottleneck) 1x1, 3x3, 1x1 to four times the channels.
Value* residual(ClassifierLayers& layers, Value* x, int64_t channels, int64_t stride, bool bottleneck, bool zero,
                const std::string& name) {
  int64_t out = bottleneck ? 4 * channels : channels;
  Value* y = x;
  if (bottleneck) {
    y = layers.block(y, {.out = channels}, Squash::relu, name + ".reduce");
    y = layers.block(y, {.out = channels, .kernel = 3, .stride = stride}, Squash::relu, name + ".conv");
    y = layers.block(y, {.out = out}, Squash::none, name + ".expand", zero);
  } else {
    y = layers.block(y, {.out = channels, .kernel = 3, .stride = stride}, Squash::relu, name + ".conv1");
    y = layers.block(y, {.out = out, .kernel = 3}, Squash::none, name + ".conv2", zero);
  }
  if (stride != 1 || x->shape()[1].value != out)
    x = layers.block(x, {.out = out, .stride = stride}, Squash::none, name + ".shortcut");
  return layers.activate(layers.build().add(x, y, name + ".add"), Squash::relu, name);
}

Graph build(const char* name, const TemplateOptions& options, const std::vector<int>& blocks, bool bottleneck) {
  Graph graph;
  ClassifierLayers layers(graph, name, options);
  Value* x = layers.block(layers.input(), {.out = layers.channels(64), .kernel = 7, .stride = layers.stride(0)},
                          Squash::relu, "stem");
  if (layers.stride(1) == 2) x = layers.build().max_pool(x, 3, 2, "pool");
  for (int stage = 0; stage < 4; ++stage)
    for (int i = 0; i < blocks[static_cast<size_t>(stage)]; ++i) {
      int64_t stride = i == 0 && stage > 0 ? layers.stride(stage + 1) : 1;
      x = residual(layers, x, layers.channels(int64_t{64} << stage), stride, bottleneck, options.zero_gamma,
                   fmt::format("stage{}.{}", stage + 1, i));
    }
  graph.add_output("logits", layers.build().classifier(x, options.classes, options.dropout, "classifier"));
  return graph;
}

}  // namespace

Graph build_resnet18(const TemplateOptions& options) { return build("resnet18", options, {2, 2, 2, 2}, false); }

Graph build_resnet50(const TemplateOptions& options) { return build("resnet50", options, {3, 4, 6, 3}, true); }

}  // namespace hone
