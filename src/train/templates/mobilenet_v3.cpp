#include "train/templates/mobilenet_v3.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "train/templates/classifier_layers.hpp"

namespace hone {

namespace {

/// Tables 1 and 2 of the paper. `halving`: which of the five halvings the block does; -1: none.
struct Block {
  int64_t kernel, hidden, out;
  bool excite, hard;
  int halving;
};

const std::vector<Block> small_blocks = {
    {3, 16, 16, true, false, 1},  {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, -1},
    {5, 96, 40, true, true, 3},   {5, 240, 40, true, true, -1}, {5, 240, 40, true, true, -1},
    {5, 120, 48, true, true, -1}, {5, 144, 48, true, true, -1}, {5, 288, 96, true, true, 4},
    {5, 576, 96, true, true, -1}, {5, 576, 96, true, true, -1}};

const std::vector<Block> large_blocks = {
    {3, 16, 16, false, false, -1}, {3, 64, 24, false, false, 1},  {3, 72, 24, false, false, -1},
    {5, 72, 40, true, false, 2},   {5, 120, 40, true, false, -1}, {5, 120, 40, true, false, -1},
    {3, 240, 80, false, true, 3},  {3, 200, 80, false, true, -1}, {3, 184, 80, false, true, -1},
    {3, 184, 80, false, true, -1}, {3, 480, 112, true, true, -1}, {3, 672, 112, true, true, -1},
    {5, 672, 160, true, true, 4},  {5, 960, 160, true, true, -1}, {5, 960, 160, true, true, -1}};

Graph build(const char* name, const TemplateOptions& options, const std::vector<Block>& blocks, int64_t last) {
  Graph graph;
  ClassifierLayers layers(graph, name, options);
  Value* x = layers.block(layers.input(), {.out = layers.channels(16), .kernel = 3, .stride = layers.stride(0)},
                          Squash::hard_swish, "stem");
  int number = 0;
  int64_t whole = 16;  // channels at width 1
  for (const Block& block : blocks) {
    // Narrow networks keep the ratio of expansion.
    double ratio = static_cast<double>(block.hidden) / static_cast<double>(whole);
    int64_t hidden = scaled_channels(x->shape()[1].value, ratio);
    whole = block.out;
    x = layers.inverted_residual(x,
                                 {.kernel = block.kernel,
                                  .hidden = hidden,
                                  .out = layers.channels(block.out),
                                  .stride = block.halving < 0 ? 1 : layers.stride(block.halving),
                                  .squeezed = block.excite ? scaled_channels(hidden, 0.25) : 0,
                                  .squash = block.hard ? Squash::hard_swish : Squash::relu,
                                  .hard = true},
                                 fmt::format("block{}", ++number));
  }
  x = layers.block(x, {.out = 6 * x->shape()[1].value}, Squash::hard_swish, "head");
  x = layers.build().flat_average(x, "classifier");
  x = layers.build().linear(x, scaled_channels(last, std::max(1.0, options.width)), 0.01, "hidden");
  x = layers.activate(x, Squash::hard_swish, "hidden");
  x = layers.build().dropout(x, options.dropout, "classifier");
  graph.add_output("logits", layers.build().linear(x, options.classes, 0.01, "classifier"));
  return graph;
}

}  // namespace

Graph build_mobilenet_v3_small(const TemplateOptions& options) {
  return build("mobilenet_v3_small", options, small_blocks, 1024);
}

Graph build_mobilenet_v3_large(const TemplateOptions& options) {
  return build("mobilenet_v3_large", options, large_blocks, 1280);
}

Graph build_mobilenet_v3_large_075(const TemplateOptions& options) {
  TemplateOptions narrow = options;
  narrow.width *= 0.75;
  return build("mobilenet_v3_large_075", narrow, large_blocks, 1280);
}

}  // namespace hone
