#include "train/templates/deeplabv3_mobilenet.hpp"

#include <fmt/format.h>

#include "train/templates/mobilenet_v2.hpp"
#include "train/templates/segmentation_layers.hpp"

namespace hone {

namespace {

/// MobileNetV2 without its last stages.
Graph own_backbone(const TemplateOptions& options) {
  TemplateOptions whole = options;
  whole.dropout = 0;
  Graph graph = build_mobilenet_v2(whole);
  graph.set_output(0, graph.find_node("block3.add")->output());
  graph.add_output("deep", graph.find_node("block13.add")->output());
  graph.remove_dead();
  return graph;
}

/// Layers that look at a map at several distances, and at all of it, summed into one: a 1x1 layer over the
/// concatenation, in which the average of the map needs no enlarging.
Value* pyramid(ModelBuilder& build, Value* x, int64_t out) {
  std::vector<Value*> parts{conv_block(build, x, {.out = out}, "aspp.near")};
  for (int64_t dilation : {3, 6, 12})
    parts.push_back(
        separable_block(build, x, {.out = out, .kernel = 3, .dilation = dilation}, fmt::format("aspp.{}", dilation)));
  // Normalized before the sum, so that quantization can fold it into the layer.
  Value* sum =
      build.batch_norm(build.conv(build.concat(parts, "aspp.concat"), {.out = out}, "aspp.project"), "aspp.bn");
  Value* whole = build.conv(build.global_average(x, "aspp.pool"), {.out = out, .bias = true}, "aspp.whole");
  return build.relu(build.add(sum, whole, "aspp.add"), "aspp.relu");
}

}  // namespace

Graph build_deeplabv3_mobilenet(const TemplateOptions& options) {
  check_segmenter("deeplabv3_mobilenet", options);
  TemplateOptions inner = options;
  Graph own;
  if (!options.backbone) {
    own = own_backbone(options);
    inner.backbone = &own;
  }
  Graph graph;
  graph.name = "deeplabv3_mobilenet";
  ModelBuilder build(graph, options.seed + 1);
  Value* input = segmenter_input(graph, options);
  std::vector<FeatureMap> maps = add_backbone_maps(graph, input, inner);
  FeatureMap deep = maps.back(), fine = maps.front();
  for (const FeatureMap& map : maps)
    if (map.stride == 4) fine = map;
  Value* x = pyramid(build, deep.value, scaled_channels(128, options.width));
  if (fine.stride < deep.stride) {
    x = build.enlarge(x, deep.stride / fine.stride, "decoder.enlarge");
    Value* side = conv_block(build, fine.value, {.out = scaled_channels(32, options.width)}, "decoder.side");
    x = separable_block(build, build.concat({x, side}, "decoder.concat"),
                        {.out = scaled_channels(96, options.width), .kernel = 3}, "decoder.mix");
  }
  add_scores(graph, build, x, options);
  return graph;
}

}  // namespace hone
