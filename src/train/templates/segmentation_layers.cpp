#include "train/templates/segmentation_layers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/insert.hpp"

namespace hone {

Value* conv_block(ModelBuilder& build, Value* x, const ConvSpec& spec, const std::string& name) {
  x = build.conv(x, spec, name);
  x = build.batch_norm(x, name + ".bn");
  return build.relu(x, name + ".relu");
}

Value* separable_block(ModelBuilder& build, Value* x, const ConvSpec& spec, const std::string& name) {
  ConvSpec depthwise = spec;
  depthwise.out = depthwise.group = x->shape()[1].value;
  x = conv_block(build, x, depthwise, name + ".depthwise");
  return conv_block(build, x, {.out = spec.out}, name + ".project");
}

void check_segmenter(const char* name, const TemplateOptions& options) {
  auto fail = [&](const std::string& problem, const std::string& remedy = {}) { throw Error(name, problem, remedy); };
  if (options.classes < 2 || options.classes > 254) fail(fmt::format("{} classes, expected 2 to 254", options.classes));
  if (!(options.width >= 0.1 && options.width <= 4))
    fail(fmt::format("width multiplier {}, expected 0.1 to 4", options.width));
  int height = options.height, width = options.width_px;
  if (height >= 32 && width >= 32 && height % 16 == 0 && width % 16 == 0) return;
  auto nearest = [](int side) { return std::max(32, (side + 8) / 16 * 16); };
  fail(fmt::format("input {} x {} pixels, expected multiples of 16 from 32 on", height, width),
       fmt::format("use {}x{}", nearest(height), nearest(width)));
}

Value* segmenter_input(Graph& graph, const TemplateOptions& options) {
  return graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, options.height, options.width_px});
}

void add_scores(Graph& graph, ModelBuilder& build, Value* x, const TemplateOptions& options) {
  x = build.conv(x, {.out = options.classes, .bias = true}, "classifier");
  int64_t stride = options.height / x->shape()[2].value;
  graph.add_output("scores", stride > 1 ? build.enlarge(x, stride, "upsample") : x);
  graph.remove_dead();  // of a backbone, what is not used
}

std::vector<FeatureMap> add_backbone_maps(Graph& graph, Value* input, const TemplateOptions& options) {
  if (options.backbone->inputs().size() != 1)
    throw Error("backbone", fmt::format("has {} inputs, expected one image", options.backbone->inputs().size()));
  std::vector<FeatureMap> maps;
  for (Value* value : insert_graph(graph, nullptr, *options.backbone, std::span(&input, 1), "backbone/")) {
    const Shape& shape = value->shape();
    if (shape.rank() != 4 || !shape[1].known() || !shape[2].known() || !shape[3].known())
      throw Error(
          "backbone",
          "output '" + value->name + "' is " + to_string(value->type) + ", expected feature maps f32[N, C, H, W]",
          "cut it at the last value of each stride");
    int64_t stride = shape[2].value > 0 ? options.height / shape[2].value : 0;
    bool fits = stride >= 1 && stride <= 16 && stride * shape[2].value == options.height &&
                stride * shape[3].value == options.width_px;
    if (fits && (maps.empty() || stride > maps.back().stride)) maps.push_back({value, stride});
  }
  if (maps.empty()) throw Error("backbone", "has no feature map of stride 2, 4, 8 or 16", "cut it at such values");
  return maps;
}

}  // namespace hone
