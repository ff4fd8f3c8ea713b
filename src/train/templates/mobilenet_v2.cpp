#include "train/templates/mobilenet_v2.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/templates/builder.hpp"

namespace hone {

namespace {

struct Stage {
  int64_t expansion, channels, blocks, stride;
};

void check(const TemplateOptions& options) {
  auto fail = [](const std::string& problem, const char* remedy = "") { throw Error("mobilenet_v2", problem, remedy); };
  if (options.classes < 2) fail(fmt::format("{} classes, expected at least 2", options.classes));
  if (!(options.width >= 0.1 && options.width <= 4))
    fail(fmt::format("width multiplier {}, expected 0.1 to 4", options.width));
  if (std::min(options.height, options.width_px) < 16)
    fail(fmt::format("input {} x {} pixels, expected at least 16 x 16", options.height, options.width_px));
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail(fmt::format("dropout {}, expected 0 <= dropout < 1", options.dropout));
}

/// expand 1x1, depthwise 3x3, project 1x1; a residual where the sizes allow.
Value* inverted_residual(ModelBuilder& build, Value* x, const Stage& stage, int64_t out, int64_t stride,
                         bool zero_gamma, const std::string& name) {
  int64_t in = x->shape()[1].value, hidden = in * stage.expansion;
  bool residual = stride == 1 && in == out;
  Value* y = x;
  if (stage.expansion != 1) {
    y = build.conv(y, {.out = hidden}, name + ".expand");
    y = build.batch_norm(y, name + ".expand.bn");
    y = build.relu6(y, name + ".expand.relu6");
  }
  y = build.conv(y, {.out = hidden, .kernel = 3, .stride = stride, .group = hidden}, name + ".depthwise");
  y = build.batch_norm(y, name + ".depthwise.bn");
  y = build.relu6(y, name + ".depthwise.relu6");
  y = build.conv(y, {.out = out}, name + ".project");
  y = build.batch_norm(y, name + ".project.bn", residual && zero_gamma);
  return residual ? build.add(x, y, name + ".add") : y;
}

}  // namespace

Graph build_mobilenet_v2(const TemplateOptions& options) {
  check(options);
  int64_t side = std::min(options.height, options.width_px);
  int64_t stem_stride = side < 48 ? 1 : 2;
  const Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, side < 96 ? 1 : 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                          {6, 96, 3, 1}, {6, 160, 3, side < 24 ? 1 : 2}, {6, 320, 1, 1}};
  Graph graph;
  graph.name = "mobilenet_v2";
  ModelBuilder build(graph, options.seed);
  Value* x = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, options.height, options.width_px});
  x = build.conv(x, {.out = scaled_channels(32, options.width), .kernel = 3, .stride = stem_stride}, "stem");
  x = build.batch_norm(x, "stem.bn");
  x = build.relu6(x, "stem.relu6");
  int number = 0;
  for (const Stage& stage : stages) {
    int64_t out = scaled_channels(stage.channels, options.width);
    for (int64_t i = 0; i < stage.blocks; ++i)
      x = inverted_residual(build, x, stage, out, i == 0 ? stage.stride : 1, options.zero_gamma,
                            fmt::format("block{}", ++number));
  }
  x = build.conv(x, {.out = scaled_channels(1280, std::max(1.0, options.width))}, "head");
  x = build.batch_norm(x, "head.bn");
  x = build.relu6(x, "head.relu6");
  graph.add_output("logits", build.classifier(x, options.classes, options.dropout, "classifier"));
  return graph;
}

}  // namespace hone
