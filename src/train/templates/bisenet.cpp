#include "train/templates/bisenet.hpp"

#include <fmt/format.h>

#include "train/templates/segmentation_layers.hpp"

namespace hone {

namespace {

class Builder {
 public:
  explicit Builder(const TemplateOptions& options) : options_(options), build_(graph_, options.seed) {}

  Graph run() {
    graph_.name = "bisenet";
    Value* input = segmenter_input(graph_, options_);
    Value *detail, *middle, *deep;
    if (options_.backbone) {
      std::vector<FeatureMap> maps = add_backbone_maps(graph_, input, options_);
      detail = maps.front().value;
      middle = maps[maps.size() / 2].value;
      deep = maps.back().value;
    } else {
      Value* x = conv_block(build_, input, {.out = channels(16), .kernel = 3, .stride = 2}, "stem1");
      detail = conv_block(build_, x, {.out = channels(32), .kernel = 3, .stride = 2}, "stem2");
      middle = dense(detail, 128, 2, 1, "stage3.1");
      middle = dense(middle, 128, 1, 1, "stage3.2");
      deep = dense(middle, 256, 2, 1, "stage4.1");
      deep = dense(deep, 256, 1, 2, "stage4.2");
      deep = dense(deep, 256, 1, 4, "stage4.3");
    }
    Value* x = with_context(deep);
    x = fuse(x, middle, 96, "fuse8");
    x = fuse(x, detail, 48, "fuse4");
    add_scores(graph_, build_, x, options_);
    return std::move(graph_);
  }

 private:
  int64_t channels(int64_t count) const { return scaled_channels(count, options_.width); }

  /// Layers of shrinking width, all of them kept: out/2, out/4, out/8 and out/8 channels with growing receptive field.
  Value* dense(Value* x, int64_t out, int64_t stride, int64_t dilation, const std::string& name) {
    Value* a = conv_block(build_, x, {.out = channels(out / 2)}, name + ".a");
    Value* b = conv_block(build_, a, {.out = channels(out / 4), .kernel = 3, .stride = stride, .dilation = dilation},
                          name + ".b");
    Value* c = conv_block(build_, b, {.out = channels(out / 8), .kernel = 3, .dilation = dilation}, name + ".c");
    Value* d = conv_block(build_, c, {.out = channels(out / 8), .kernel = 3, .dilation = dilation}, name + ".d");
    if (stride == 2) a = build_.max_pool(a, 3, 2, name + ".pool");
    return build_.concat({a, b, c, d}, name + ".concat");
  }

  /// Adds what the whole image shows, and weighs the channels by it (attention refinement).
  Value* with_context(Value* x) {
    x = conv_block(build_, x, {.out = channels(128)}, "context.reduce");
    Value* whole = build_.global_average(x, "context.pool");
    Value* weight = build_.sigmoid(build_.conv(whole, {.out = channels(128), .bias = true}, "context.attention"),
                                   "context.sigmoid");
    Value* bias = build_.conv(whole, {.out = channels(128), .bias = true}, "context.bias");
    return build_.add(build_.mul(x, weight, "context.mul"), bias, "context.add");
  }

  /// The deeper map enlarged, beside the finer one.
  Value* fuse(Value* deep, Value* fine, int64_t out, const std::string& name) {
    Value* x = conv_block(build_, deep, {.out = channels(out)}, name + ".reduce");
    int64_t factor = fine->shape()[2].value / deep->shape()[2].value;
    if (factor > 1) x = build_.enlarge(x, factor, name + ".enlarge");
    Value* side = conv_block(build_, fine, {.out = channels(out / 2)}, name + ".side");
    return conv_block(build_, build_.concat({x, side}, name + ".concat"), {.out = channels(out), .kernel = 3},
                      name + ".mix");
  }

  const TemplateOptions& options_;
  Graph graph_;
  ModelBuilder build_;
};

}  // namespace

Graph build_bisenet(const TemplateOptions& options) {
  check_segmenter("bisenet", options);
  return Builder(options).run();
}

}  // namespace hone
