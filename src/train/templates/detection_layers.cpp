#include "train/templates/detection_layers.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/insert.hpp"
#include "graph/ops/nn/conv.hpp"
#include "train/templates/mobilenet_v2.hpp"

namespace hone {

namespace {

/// A classifier's graph without its end: the outputs are the values named.
std::vector<Value*> add_cut(Graph& graph, Value* input, Graph part, const std::vector<std::string>& nodes) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    Value* value = part.find_node(nodes[i])->output();
    if (i < part.outputs().size()) part.set_output(i, value);
    else part.add_output("", value);
  }
  part.remove_dead();
  return insert_graph(graph, nullptr, part, std::span(&input, 1), "backbone/");
}

void check_backbone(const std::vector<Value*>& maps) {
  auto fail = [](const std::string& problem) {
    throw Error("backbone", problem, "cut it at the last value of each stride, such as 8, 16 and 32");
  };
  if (maps.empty()) fail("has no outputs");
  const Value* before = nullptr;
  for (const Value* map : maps) {
    const Shape& shape = map->shape();
    if (shape.rank() != 4 || !shape[1].known() || !shape[2].known() || !shape[3].known())
      fail("output '" + map->name + "' is " + to_string(map->type) + ", expected feature maps f32[N, C, H, W]");
    for (size_t axis : {2, 3})
      if (before && (before->shape()[axis].value + 1) / 2 != shape[axis].value)
        fail("output '" + map->name + "' is " + to_string(map->type) + ", expected half the size of " +
             to_string(before->type));
    before = map;
  }
}

}  // namespace

Value* DetectionLayers::weights(const std::string& name, int64_t in, const LayerSpec& spec, double deviation) {
  double fan_out = static_cast<double>(spec.kernel * spec.kernel * spec.out) / static_cast<double>(spec.group);
  if (deviation == 0) deviation = std::sqrt(2 / fan_out);
  Tensor tensor(DType::f32, {spec.out, in / spec.group, spec.kernel, spec.kernel});
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(rng_.normal(0, deviation));
  return graph_.add_constant(name + ".weight", std::move(tensor));
}

Value* DetectionLayers::conv(Value* x, const LayerSpec& spec, Value* weights, Value* bias, const std::string& name) {
  auto op = std::make_unique<ops::Conv>();
  int64_t pad = spec.pad >= 0 ? spec.pad : spec.kernel / 2 * spec.dilation;
  op->group = spec.group;
  op->kernel_shape = {spec.kernel, spec.kernel};
  op->strides = {spec.stride, spec.stride};
  op->dilations = {spec.dilation, spec.dilation};
  op->pads = {pad, pad, pad, pad};
  std::vector<Value*> inputs{x, weights};
  if (bias) inputs.push_back(bias);
  return graph_.add(std::move(op), std::move(inputs), name)->output();
}

Value* DetectionLayers::plain(Value* x, const LayerSpec& spec, const std::string& name) {
  Value* bias = constant(name + ".bias", std::vector<float>(static_cast<size_t>(spec.out), 0.0f));
  return conv(x, spec, weights(name, x->shape()[1].value, spec), bias, name);
}

Value* DetectionLayers::block(Value* x, const LayerSpec& spec, Activation activation, const std::string& name,
                              Value* shared) {
  x = conv(x, spec, shared ? shared : weights(name, x->shape()[1].value, spec), nullptr, name);
  return activate(build_.batch_norm(x, name + ".bn"), activation, name);
}

Value* DetectionLayers::separable(Value* x, const LayerSpec& spec, Activation activation, const std::string& name) {
  int64_t channels = x->shape()[1].value;
  x = block(x, {.out = channels, .kernel = spec.kernel, .stride = spec.stride, .group = channels}, activation,
            name + ".depthwise");
  return block(x, {.out = spec.out}, activation, name + ".pointwise");
}

Value* DetectionLayers::halved(Value* x, int64_t hidden, int64_t out, Activation activation, const std::string& name) {
  x = block(x, {.out = hidden}, activation, name + ".reduce");
  return separable(x, {.out = out, .kernel = 3, .stride = 2}, activation, name);
}

Value* DetectionLayers::activate(Value* x, Activation activation, const std::string& name) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return node("Relu", {x}, {}, name + ".relu");
    case Activation::relu6: return build_.relu6(x, name + ".relu6");
    case Activation::swish: return graph_.add(make_op("hone", "Swish"), {x}, name + ".swish")->output();
  }
  return x;
}

Value* DetectionLayers::max_pool(Value* x, int64_t kernel, int64_t stride, bool ceil, const std::string& name) {
  int64_t pad = stride == 1 ? kernel / 2 : 0;
  return node("MaxPool", {x},
              {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
               {"strides", std::vector<int64_t>{stride, stride}},
               {"pads", std::vector<int64_t>(4, pad)},
               {"ceil_mode", int64_t{ceil}}},
              name);
}

Value* DetectionLayers::twice(Value* x, const std::string& name) {
  Value* scales = constant(name + ".scales", {1, 1, 2, 2});
  return node("Resize", {x, nullptr, scales},
              {{"mode", std::string("nearest")},
               {"coordinate_transformation_mode", std::string("asymmetric")},
               {"nearest_mode", std::string("floor")}},
              name);
}

Value* DetectionLayers::concat(std::vector<Value*> parts, int64_t axis, const std::string& name) {
  return parts.size() == 1 ? parts[0] : node("Concat", std::move(parts), {{"axis", axis}}, name);
}

Value* DetectionLayers::constant(const std::string& name, const std::vector<float>& values) {
  return graph_.add_constant(name, Tensor::of<float>({static_cast<int64_t>(values.size())}, values));
}

Value* DetectionLayers::node(const char* type, std::vector<Value*> inputs, const Attributes& attributes,
                             const std::string& name) {
  auto op = make_op("", type);
  set_attributes(*op, attributes);
  return graph_.add(std::move(op), std::move(inputs), name)->output();
}

Value* DetectionLayers::rows(Value* x, int64_t columns, const std::string& name) {
  x = node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}}, name + ".last");
  Value* sizes = graph_.add_constant(name + ".sizes", Tensor::of<int64_t>({3}, {0, -1, columns}));
  return node("Reshape", {x, sizes}, {}, name + ".rows");
}

std::vector<Value*> add_backbone(Graph& graph, Value* input, const TemplateOptions& options) {
  std::vector<Value*> maps;
  if (options.backbone) {
    if (options.backbone->inputs().size() != 1)
      throw Error("backbone", fmt::format("has {} inputs, expected one image", options.backbone->inputs().size()));
    maps = insert_graph(graph, nullptr, *options.backbone, std::span(&input, 1), "backbone/");
  } else {
    TemplateOptions trunk = options;
    trunk.classes = 2;
    trunk.dropout = 0;
    maps = add_cut(graph, input, build_mobilenet_v2(trunk), {"block6.add", "block13.add", "head.relu6"});
  }
  check_backbone(maps);
  return maps;
}

float step_of(const Value* map, const TemplateOptions& options) {
  // Rounded up when halved, so a power of two.
  double ratio = static_cast<double>(options.height) / static_cast<double>(map->shape()[2].value);
  double other = static_cast<double>(options.width_px) / static_cast<double>(map->shape()[3].value);
  return static_cast<float>(std::exp2(std::ceil(std::log2(std::max(ratio, other)) - 1e-6)));
}

void check_detector(const char* name, const TemplateOptions& options, int least, int multiple) {
  auto fail = [&](const std::string& problem, const std::string& remedy = {}) { throw Error(name, problem, remedy); };
  if (options.classes < 1) fail(fmt::format("{} classes, expected at least 1", options.classes));
  if (!(options.width >= 0.1 && options.width <= 4))
    fail(fmt::format("width multiplier {}, expected 0.1 to 4", options.width));
  if (std::min(options.height, options.width_px) < least)
    fail(
        fmt::format("input {} x {} pixels, expected at least {} x {}", options.height, options.width_px, least, least));
  if (options.height % multiple || options.width_px % multiple)
    fail(fmt::format("input {} x {} pixels, expected multiples of {}", options.height, options.width_px, multiple),
         fmt::format("use {} x {}", (options.height + multiple / 2) / multiple * multiple,
                     (options.width_px + multiple / 2) / multiple * multiple));
}

std::vector<float> prior_bias(int64_t anchors, int64_t classes) {
  constexpr double prior = 0.01;
  return std::vector<float>(static_cast<size_t>(anchors * classes), static_cast<float>(-std::log((1 - prior) / prior)));
}

void finish_head(Graph& graph, const DetectorHead& head, Value* class_logits, Value* boxes, Value* objectness) {
  graph.add_output("class_logits", class_logits);
  graph.add_output("boxes", boxes);
  if (objectness) graph.add_output("objectness", objectness);
  set_detector_head(graph, head);
  detector_head(graph);  // throws when the two do not fit
}

Value* detector_input(Graph& graph, const TemplateOptions& options) {
  return graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, options.height, options.width_px});
}

}  // namespace hone
