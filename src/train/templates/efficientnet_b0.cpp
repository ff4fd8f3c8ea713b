#include "train/templates/efficientnet_b0.hpp"

#include <fmt/format.h>

#include "train/templates/classifier_layers.hpp"

namespace hone {

namespace {

/// Table 1 of the paper. `halving`: which of the five halvings the first block does; -1: none.
struct Stage {
  int64_t expansion, kernel, out, blocks;
  int halving;
};
constexpr Stage stages[] = {{1, 3, 16, 1, -1}, {6, 3, 24, 2, 1},   {6, 5, 40, 2, 2}, {6, 3, 80, 3, 3},
                            {6, 5, 112, 3, -1}, {6, 5, 192, 4, 4}, {6, 3, 320, 1, -1}};

}  // namespace

Graph build_efficientnet_b0(const TemplateOptions& options) {
  Graph graph;
  ClassifierLayers layers(graph, "efficientnet_b0", options);
  Value* x = layers.block(layers.input(), {.out = layers.channels(32), .kernel = 3, .stride = layers.stride(0)},
                          Squash::swish, "stem");
  int number = 0;
  for (const Stage& stage : stages)
    for (int64_t i = 0; i < stage.blocks; ++i) {
      int64_t in = x->shape()[1].value;
      x = layers.inverted_residual(x,
                                   {.kernel = stage.kernel,
                                    .hidden = in * stage.expansion,
                                    .out = layers.channels(stage.out),
                                    .stride = i > 0 || stage.halving < 0 ? 1 : layers.stride(stage.halving),
                                    .squeezed = in / 4,
                                    .squash = Squash::swish},
                                   fmt::format("block{}", ++number));
    }
  x = layers.block(x, {.out = layers.channels(1280)}, Squash::swish, "head");
  graph.add_output("logits", layers.build().classifier(x, options.classes, options.dropout, "classifier"));
  return graph;
}

}  // namespace hone
