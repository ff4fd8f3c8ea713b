#include "train/templates/unet.hpp"

#include <fmt/format.h>

#include "train/templates/segmentation_layers.hpp"

namespace hone {

namespace {

/// Two 3x3 layers, as on each level of both paths.
Value* pair(ModelBuilder& build, Value* x, int64_t out, const std::string& name) {
  x = conv_block(build, x, {.out = out, .kernel = 3}, name + ".1");
  return conv_block(build, x, {.out = out, .kernel = 3}, name + ".2");
}

std::vector<FeatureMap> contract(ModelBuilder& build, Value* x, const TemplateOptions& options) {
  std::vector<FeatureMap> maps;
  const int64_t channels[] = {16, 32, 64, 128, 192};
  for (int level = 0; level < 5; ++level) {
    std::string name = fmt::format("down{}", level);
    if (level > 0) x = build.max_pool(x, 2, 2, name + ".pool");
    x = pair(build, x, scaled_channels(channels[level], options.width), name);
    maps.push_back({x, int64_t{1} << level});
  }
  return maps;
}

}  // namespace

Graph build_unet(const TemplateOptions& options) {
  check_segmenter("unet", options);
  Graph graph;
  graph.name = "unet";
  ModelBuilder build(graph, options.seed);
  Value* input = segmenter_input(graph, options);
  std::vector<FeatureMap> maps =
      options.backbone ? add_backbone_maps(graph, input, options) : contract(build, input, options);
  FeatureMap deep = maps.back();
  for (size_t level = maps.size() - 1; level-- > 0;) {
    std::string name = fmt::format("up{}", level);
    const FeatureMap& skip = maps[level];
    // Fewer channels before enlarging: the same sum at a quarter of the cost.
    int64_t channels = scaled_channels(8 * skip.stride + 8, options.width);
    Value* x = conv_block(build, deep.value, {.out = channels}, name + ".reduce");
    x = build.enlarge(x, deep.stride / skip.stride, name + ".enlarge");
    Value* side = options.backbone ? conv_block(build, skip.value, {.out = channels}, name + ".skip") : skip.value;
    deep = {pair(build, build.concat({x, side}, name + ".concat"), channels, name), skip.stride};
  }
  add_scores(graph, build, deep.value, options);
  return graph;
}

}  // namespace hone
