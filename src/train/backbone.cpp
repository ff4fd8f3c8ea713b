#include "train/backbone.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "graph/cost.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"

namespace hone {

namespace {

constexpr const char* cut_remedy = "name the values to cut at with --cut (hone inspect --nodes lists them)";

bool is_one_of(const Node* node, std::initializer_list<const char*> types) {
  return node && std::any_of(types.begin(), types.end(), [&](const char* type) { return node->is(type); });
}

std::string place_of(const Graph& model) { return "backbone '" + model.name + "'"; }

/// Quantized constants become f32 ones, and pairs of quantize and dequantize on activations go away.
void undo_quantization(Graph& graph) {
  for (Node* node : graph.node_list()) {
    if (!node->is("DequantizeLinear")) continue;
    Value* source = node->input(0);
    std::vector<const Tensor*> inputs;
    for (const Value* input : node->inputs())
      inputs.push_back(input && input->is_constant() ? &input->constant() : nullptr);
    if (source->is_constant()) {
      std::vector<Tensor> result = evaluate_node(*node, inputs);
      graph.replace_uses(node->output(), graph.add_constant(source->name + ".float", std::move(result[0])));
    } else if (source->producer() && source->producer()->is("QuantizeLinear")) {
      graph.replace_uses(node->output(), source->producer()->input(0));
    }
  }
  graph.remove_dead();
}

/// Takes off the nodes of attach_preprocess().
std::optional<Preprocess> take_off_preprocess(Graph& graph) {
  std::optional<Preprocess> recorded = attached_preprocess(graph);
  if (!recorded || graph.inputs().size() != 1) return std::nullopt;
  Value* image = graph.inputs()[0];
  Value* value = image;
  bool subtracted = false, divided = false;
  while (value->uses().size() == 1) {
    const Node* node = value->uses()[0].node;
    if (!is_one_of(node, {"Cast", "Gather", "Resize", "Transpose", "Sub", "Div"})) break;
    subtracted |= node->is("Sub");
    divided |= node->is("Div");
    value = node->output();
  }
  if (!subtracted || !divided)
    throw Error(place_of(graph), "does not have its preprocessing in the form that hone train writes",
                "give the model.onnx that hone train wrote, before it was converted");
  Value* input = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, recorded->height, recorded->width});
  graph.replace_uses(value, input);
  graph.remove_dead();
  graph.erase(image);
  return recorded;
}

/// The size that the model is made for; 224 where it is open.
Dims own_input(const Graph& graph) {
  std::string expected = "expected one image f32[N, 3, height, width]";
  if (graph.inputs().size() != 1)
    throw Error(place_of(graph), fmt::format("has {} inputs, {}", graph.inputs().size(), expected));
  const Value* input = graph.inputs()[0];
  const Shape& shape = input->shape();
  bool image =
      input->dtype() == DType::f32 && shape.ranked && shape.rank() == 4 && (!shape[1].known() || shape[1] == Dim(3));
  if (!image)
    throw Error(place_of(graph),
                fmt::format("has the input '{}' {}, {}", input->name, to_string(input->type), expected),
                "give a model with channels first and float input");
  return {1, 3, shape[2].known() ? shape[2].value : 224, shape[3].known() ? shape[3].value : 224};
}

/// A feature map: what has channels and is more than a point.
bool is_map(const Value* value) {
  const Shape& shape = value->shape();
  return value->producer() && value->dtype() == DType::f32 && shape.is_static() && shape.rank() == 4 &&
         shape[2].value * shape[3].value > 1;
}

class Cutter {
 public:
  Cutter(Graph& graph, int64_t height) : graph_(graph), height_(height) {}

  int stride(const Value* value) const {
    double ratio = static_cast<double>(height_) / static_cast<double>(value->shape()[2].value);
    return static_cast<int>(std::exp2(std::max(0.0, std::round(std::log2(ratio)))));
  }

  std::vector<Value*> named(const std::vector<std::string>& names) {
    std::vector<Value*> found;
    for (const std::string& name : names) found.push_back(named(name));
    return found;
  }

  std::vector<Value*> by_stride(std::vector<int> wanted, bool optional) {
    std::map<int, Value*> ends = find_ends();
    if (ends.empty())
      throw Error(place_of(graph_), "has no feature maps f32[N, C, H, W] made from the image",
                  "only models with convolutions can be backbones");
    if (wanted.empty()) wanted = {ends.rbegin()->first};
    std::vector<Value*> found;
    std::vector<int> known;
    for (auto& [stride, value] : ends) known.push_back(stride);
    bool some = std::any_of(wanted.begin(), wanted.end(), [&](int stride) { return ends.count(stride) > 0; });
    for (int stride : wanted) {
      if (!ends.count(stride) && optional && some) continue;
      if (!ends.count(stride))
        throw Error(place_of(graph_),
                    fmt::format("has feature maps of the strides {}, expected {}", fmt::join(known, ", "),
                                fmt::join(wanted, ", ")),
                    cut_remedy);
      found.push_back(ends[stride]);
    }
    return found;
  }

 private:
  Value* named(const std::string& name) {
    Value* value = graph_.find_value(name);
    if (!value && graph_.find_node(name)) value = graph_.find_node(name)->output();
    for (const GraphOutput& output : graph_.outputs())
      if (!value && output.name == name) value = output.value;
    if (value && is_map(value)) return value;
    if (value)
      throw Error(place_of(graph_),
                  fmt::format("'{}' is {}, expected a feature map f32[N, C, H, W]", name, to_string(value->type)));
    std::vector<std::string> names;
    for (auto& node : graph_.nodes())
      if (is_map(node->output())) names.push_back(node->output()->name);
    std::vector<std::string> near = nearest_words(name, names);
    if (near.empty())
      for (auto& [stride, end] : find_ends()) near.push_back(end->name);
    throw Error(place_of(graph_), fmt::format("has no value '{}'", name),
                near.empty() ? "" : fmt::format("such as '{}'", fmt::join(near, "', '")));
  }

  /// The map of each stride.
  std::map<int, Value*> find_ends() {
    std::map<int, Value*> ends;
    std::set<const Value*> after_deepest;
    int deepest = 0;
    for (auto& node : graph_.nodes()) {
      Value* value = node->output();
      bool after = std::any_of(node->inputs().begin(), node->inputs().end(),
                               [&](const Value* v) { return after_deepest.count(v); });
      if (after) after_deepest.insert(value);
      if (!is_map(value)) continue;
      int here = stride(value);
      if (here < deepest && after) break;  // enlarging begins: the backbone is over
      if (Value* pooled = enlarged_again(*node)) {
        ends[stride(pooled)] = pooled;
        break;
      }
      if (here > deepest) {
        for (Value* input : node->inputs())
          if (input && is_map(input) && stride(input) < here) ends[stride(input)] = before_expansion(input);
        deepest = here;
        after_deepest = {value};
      }
      if (here == deepest) ends[here] = value;
    }
    if (!ends.empty()) ends[deepest] = before_classes(ends[deepest]);
    return ends;
  }

  /// The map whose average over the image `node` makes a map of, as the pyramid pooling of segmenters does, to sizes
  /// that are constants of the file; nullptr for other nodes. What follows belongs to the head.
  static Value* enlarged_again(const Node& node) {
    if (!is_one_of(&node, {"Resize", "Upsample"})) return nullptr;
    Value* value = node.input(0);
    for (int i = 0; i < 8 && value && !is_map(value); ++i)
      value = value->producer() ? value->producer()->input(0) : nullptr;
    return value && value != node.input(0) && is_map(value) ? value : nullptr;
  }

  /// The pointwise convolution behind normalization and activation, or nullptr.
  static Node* pointwise(const Value* value) {
    Node* node = value->producer();
    for (int i = 0; i < 6 && node; ++i) {
      if (const auto* conv = node->as<ops::Conv>()) {
        const Shape& weights = node->input(1)->shape();
        return weights.rank() == 4 && weights[2] == Dim(1) && weights[3] == Dim(1) && conv->group == 1 ? node : nullptr;
      }
      if (!is_one_of(node, {"BatchNormalization", "Clip", "Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish",
                            "Swish", "Mul"}))
        return nullptr;
      node = node->input(0)->producer();
    }
    return nullptr;
  }

  /// An inverted residual widens the map before its depthwise convolution halves it: the narrow map is the one to use.
  Value* before_expansion(Value* value) const {
    for (const Use& use : value->uses()) {
      const auto* conv = use.node->as<ops::Conv>();
      if (!conv || Dim(conv->group) != value->shape()[1]) return value;
    }
    Node* widening = pointwise(value);
    Value* narrow = widening ? widening->input(0) : nullptr;
    bool linear = narrow && is_map(narrow) && is_one_of(narrow->producer(), {"Add", "Conv", "BatchNormalization"});
    return linear && stride(narrow) == stride(value) && narrow->shape()[1].value < value->shape()[1].value ? narrow
                                                                                                           : value;
  }

  /// Networks that average a map of class scores: the map before that layer.
  Value* before_classes(Value* value) const {
    bool scores = std::any_of(graph_.outputs().begin(), graph_.outputs().end(), [&](const GraphOutput& output) {
      const Shape& shape = output.value->shape();
      return output.value != value && shape.rank() >= 2 && shape[1] == value->shape()[1];
    });
    Node* layer = scores ? pointwise(value) : nullptr;
    if (!layer || layer->input(1)->shape()[0] != value->shape()[1]) return value;
    Value* before = layer->input(0);
    while (is_one_of(before->producer(), {"Dropout", "Identity"})) before = before->producer()->input(0);
    return is_map(before) ? before : value;
  }

  Graph& graph_;
  int64_t height_;
};

/// The linear layer on the average of `map`.
void take_class_rows(const Graph& graph, const Value* map, Backbone& backbone) {
  const Value* value = graph.outputs().at(0).value;
  if (is_one_of(value->producer(), {"Softmax", "Identity"})) value = value->producer()->input(0);
  const Node* node = value->producer();
  const auto* gemm = node ? node->as<ops::Gemm>() : nullptr;
  if (!gemm || !gemm->transB || gemm->transA || gemm->alpha != 1 || gemm->beta != 1 || !node->input(2)) return;
  const Value *weights = node->input(1), *bias = node->input(2), *input = node->input(0);
  while (is_one_of(input->producer(), {"Dropout", "Identity", "Flatten", "GlobalAveragePool"}) && input != map)
    input = input->producer()->input(0);
  std::vector<std::string> labels = get_labels(graph.metadata);
  auto classes = static_cast<int64_t>(labels.size());
  bool fits = input == map && weights->is_constant() && bias->is_constant() && weights->constant().dim(0) == classes &&
              bias->constant().dims() == Dims{classes};
  if (!fits) return;
  backbone.labels = std::move(labels);
  backbone.weights = weights->constant();
  backbone.bias = bias->constant();
}

void require_weights(const Graph& whole, const Graph& part) {
  double share =
      static_cast<double>(parameter_count(part)) / static_cast<double>(std::max<int64_t>(1, parameter_count(whole)));
  if (share < 0.02)
    throw Error(place_of(whole),
                fmt::format("has only {:.1f}% of its weights before its last feature map", 100 * share),
                "a network of another kind; " + std::string(cut_remedy));
}

/// The nodes that `cuts` need, on images of another size.
Graph copy_part(const Graph& graph, const std::vector<Value*>& cuts, int64_t height, int64_t width) {
  std::set<const Value*> needed(cuts.begin(), cuts.end());
  std::vector<const Node*> nodes;
  for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
    const Node* node = it->get();
    if (std::none_of(node->outputs().begin(), node->outputs().end(), [&](const Value* v) { return needed.count(v); }))
      continue;
    needed.insert(node->inputs().begin(), node->inputs().end());
    nodes.push_back(node);
  }
  Graph part;
  part.name = graph.name;
  std::map<const Value*, Value*> twin{{nullptr, nullptr}};
  const Value* input = graph.inputs()[0];
  twin[input] = part.add_input(input->name, DType::f32, Shape{Dim::named("N"), 3, height, width});
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    std::vector<Value*> inputs;
    for (const Value* value : (*it)->inputs()) {
      if (value && !twin.count(value)) twin[value] = part.add_constant(value->name, value->constant());
      inputs.push_back(twin[value]);
    }
    auto count = static_cast<int>((*it)->outputs().size());
    const Node* made = part.add((*it)->op().clone(), std::move(inputs), (*it)->name, count);
    for (int i = 0; i < count; ++i) twin[(*it)->output(static_cast<size_t>(i))] = made->output(static_cast<size_t>(i));
  }
  for (const Value* cut : cuts) part.add_output(cut->name, twin[cut]);
  return part;
}

}  // namespace

Backbone cut_backbone(const Graph& model, const BackboneOptions& options) {
  Backbone backbone;
  Graph graph = model.clone();
  undo_quantization(graph);
  backbone.preprocess = take_off_preprocess(graph);
  Dims own = own_input(graph);
  graph.set_input_type(graph.inputs()[0], {DType::f32, Shape(own)});
  graph.infer();
  Cutter cutter(graph, own[2]);
  std::vector<Value*> cuts =
      options.cut.empty() ? cutter.by_stride(options.strides, options.optional_strides) : cutter.named(options.cut);
  for (const Value* cut : cuts) backbone.strides.push_back(cutter.stride(cut));
  if (!graph.outputs().empty()) take_class_rows(graph, cuts.back(), backbone);
  int64_t height = options.height > 0 ? options.height : own[2], width = options.width > 0 ? options.width : own[3];
  try {
    backbone.features = copy_part(graph, cuts, height, width);
  } catch (const Error& error) {
    throw Error(place_of(graph), fmt::format("does not work on images of {} x {}: {}", height, width, error.what()),
                fmt::format("it was made for {} x {}", own[2], own[3]));
  }
  if (options.cut.empty()) require_weights(graph, backbone.features);
  return backbone;
}

int keep_class_rows(Graph& classifier, const Backbone& backbone, const std::vector<std::string>& classes) {
  const Node* layer = classifier.outputs().at(0).value->producer();
  if (backbone.labels.empty() || !layer || !layer->is("Gemm")) return 0;
  Value *weights = layer->input(1), *bias = layer->input(2);
  auto rows = static_cast<int64_t>(classes.size()), width = backbone.weights.dim(1);
  if (weights->constant().dims() != Dims{rows, width}) return 0;
  Tensor new_weights = weights->constant().clone(), new_bias = bias->constant().clone();
  int kept = 0;
  for (size_t row = 0; row < classes.size(); ++row) {
    auto found = std::find(backbone.labels.begin(), backbone.labels.end(), classes[row]);
    if (found == backbone.labels.end()) continue;
    auto old_row = found - backbone.labels.begin();
    std::copy_n(backbone.weights.data<float>().begin() + old_row * width, width,
                new_weights.mutable_data<float>().begin() + static_cast<int64_t>(row) * width);
    new_bias.mutable_data<float>()[row] = backbone.bias.data<float>()[static_cast<size_t>(old_row)];
    ++kept;
  }
  classifier.set_constant(weights, std::move(new_weights));
  classifier.set_constant(bias, std::move(new_bias));
  return kept;
}

}  // namespace hone
