#include "app/explain/object_saliency.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "app/explain/saliency.hpp"
#include "app/support/subgraph.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/nearest.hpp"

namespace hone::app {

namespace {

constexpr int64_t most_places = 14;  // of a side; larger maps are looked at in blocks
constexpr double lost_score = 0.01;  // boxes below it count as gone

bool is_feature_map(const Value* value) {
  const Shape& shape = value->shape();
  if (value->dtype() != DType::f32 || shape.rank() != 4 || !shape[1].known() || !shape[2].known() || !shape[3].known())
    return false;
  return shape[1].value > 4 && shape[2].value > 1 && shape[3].value > 1 && (!shape[0].known() || shape[0].value == 1);
}

/// Whether an output depends on the inputs other than through `value` and through the shape of an input.
bool passed_by(const Graph& graph, const Value* value) {
  std::unordered_set<const Value*> seen(graph.inputs().begin(), graph.inputs().end());
  for (const auto& node : graph.nodes()) {
    bool reached = !node->is("Shape") && std::any_of(node->inputs().begin(), node->inputs().end(),
                                                     [&](const Value* input) { return seen.count(input) > 0; });
    if (!reached) continue;
    for (const Value* output : node->outputs())
      if (output != value) seen.insert(output);
  }
  return std::any_of(graph.outputs().begin(), graph.outputs().end(),
                     [&](const GraphOutput& output) { return seen.count(output.value) > 0; });
}

const Value* choose_layer(const Graph& graph, const std::string& layer) {
  std::vector<const Value*> maps;
  for (const Value* value : computed_values(graph))
    if (is_feature_map(value)) maps.push_back(value);
  if (!layer.empty()) {
    std::vector<std::string> names;
    for (const Value* value : maps) {
      bool named = value->name == layer || value->producer()->name == layer;
      if (named && passed_by(graph, value))
        throw Error("layer '" + layer + "'", "is not the only way from the image to the boxes (it lies in a branch)",
                    "choose an earlier one with --layer");
      if (named) return value;
      names.push_back(value->name);
    }
    std::vector<std::string> near = nearest_words(layer, names, 3);
    throw Error("--layer", fmt::format("'{}' is no value or node with a feature map f32 [N, C, H, W]", layer),
                near.empty() ? "see hone inspect --text" : fmt::format("near: {}", fmt::join(near, ", ")));
  }
  for (size_t i = maps.size(); i-- > 0;)
    if (!passed_by(graph, maps[i])) return maps[i];
  throw Error("graph '" + graph.name + "'", "has no feature map f32 [N, C, H, W] that all boxes depend on",
              "use --method activation");
}

/// What Shape makes of the inputs.
std::vector<const Value*> shapes_of_inputs(const Graph& graph) {
  std::vector<const Value*> shapes;
  for (const auto& node : graph.nodes())
    if (node->is("Shape") && node->input(0)->is_input()) shapes.push_back(node->output());
  return shapes;
}

PredictorOptions with_score(PredictorOptions options, double score) {
  options.score = score;
  return options;
}

/// 0 inside the block around a place, 1 from a block's width beyond its edge on.
float kept_at(double x, double center, double block) {
  return static_cast<float>(std::clamp((std::abs(x - center) - block / 2) / block, 0.0, 1.0));
}

}  // namespace

ObjectSaliency::ObjectSaliency(const ImageModel& model, const std::string& layer, const PredictorOptions& options)
    : decoder_(model.decoder),
      predictor_(model, options),
      finder_(model, with_score(options, lost_score)),
      model_outputs_(model.graph.outputs().size()) {
  const Value* feature = choose_layer(model.graph, layer);
  layer_ = feature->name;
  std::vector<const Value*> from = {feature};
  for (const Value* shape : shapes_of_inputs(model.graph)) from.push_back(shape);
  Graph graph = model.graph.clone();
  for (size_t i = 0; i < from.size(); ++i)
    graph.add_output(fmt::format("head input {}", i), graph.find_value(from[i]->name));
  head_.emplace(load(subgraph(model.graph, from, model.graph.outputs()), options.device));
  runner_.emplace(graph, model.decoder, options.device);
}

Findings ObjectSaliency::see(const Tensor& image) {
  std::vector<Tensor> outputs = runner_->run(image, placement_);
  auto first = outputs.begin() + static_cast<std::ptrdiff_t>(model_outputs_);
  head_inputs_.assign(first, outputs.end());
  image_ = image;
  return predictor_.read({outputs.begin(), first}, placement_, image);
}

/// `kept`: factors of the places of the feature map.
double ObjectSaliency::score_without(const Detection& object, const std::vector<float>& kept) {
  std::vector<Tensor> inputs = head_inputs_;
  inputs[0] = inputs[0].clone();
  auto values = inputs[0].mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] *= kept[i % kept.size()];
  Findings left = finder_.read(head_->run(inputs), placement_, image_);
  double most = 0;
  for (const Detection& one : left.objects)
    if (one.label == object.label) most = std::max(most, one.score * iou(one.box, object.box));
  return most;
}

Tensor ObjectSaliency::map(const Detection& object) {
  if (head_inputs_.empty()) throw Error("saliency", "has seen no image");
  int64_t height = head_inputs_[0].dim(2), width = head_inputs_[0].dim(3);
  int64_t rows = std::min(height, most_places), columns = std::min(width, most_places);
  double block_y = static_cast<double>(height) / static_cast<double>(rows),
         block_x = static_cast<double>(width) / static_cast<double>(columns);
  std::vector<float> kept(static_cast<size_t>(height * width), 1);
  double whole = score_without(object, kept);
  Tensor map = Tensor::zeros(DType::f32, {rows, columns});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      check_interrupt("hone explain");
      double cy = (static_cast<double>(row) + 0.5) * block_y, cx = (static_cast<double>(column) + 0.5) * block_x;
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x)
          kept[static_cast<size_t>(y * width + x)] = std::max(kept_at(static_cast<double>(y) + 0.5, cy, block_y),
                                                              kept_at(static_cast<double>(x) + 0.5, cx, block_x));
      map.mutable_data<float>()[static_cast<size_t>(row * columns + column)] =
          static_cast<float>(std::max(0.0, whole - score_without(object, kept)));
    }
  map = normalized(map, false);
  ImageSize size{static_cast<int>(image_.dim(0)), static_cast<int>(image_.dim(1))};
  return decoder_ ? cut_to_image(map, *decoder_, runner_->input_size(), placement_, size) : map;
}

Tensor cut_to_image(const Tensor& map, const Decoder& decoder, const ImageSize& input, const Placement& placement,
                    const ImageSize& image) {
  if (decoder.input.fit == Fit::stretch) return map;
  constexpr int64_t least = 64;  // pixels of a side, so that little is lost
  int64_t height = std::max(least, map.dim(0)), width = std::max(least, map.dim(1));
  Tensor cut(DType::f32, {height, width});
  auto in = map.data<float>();
  auto out = cut.mutable_data<float>();
  auto place = [](int64_t at, int64_t count, double pixels, double scale, double offset, int side, int64_t places) {
    double share = ((static_cast<double>(at) + 0.5) / static_cast<double>(count) * pixels * scale + offset) / side;
    return std::clamp(share * static_cast<double>(places) - 0.5, 0.0, static_cast<double>(places - 1));
  };
  auto value = [&](int64_t y, int64_t x) {
    return in[static_cast<size_t>(std::min(y, map.dim(0) - 1) * map.dim(1) + std::min(x, map.dim(1) - 1))];
  };
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      double from_y = place(y, height, image.height, placement.scale_y, placement.offset_y, input.height, map.dim(0));
      double from_x = place(x, width, image.width, placement.scale_x, placement.offset_x, input.width, map.dim(1));
      auto top = static_cast<int64_t>(from_y), left = static_cast<int64_t>(from_x);
      auto fy = static_cast<float>(from_y - static_cast<double>(top)),
           fx = static_cast<float>(from_x - static_cast<double>(left));
      out[static_cast<size_t>(y * width + x)] = (1 - fy) * ((1 - fx) * value(top, left) + fx * value(top, left + 1)) +
                                                fy * ((1 - fx) * value(top + 1, left) + fx * value(top + 1, left + 1));
    }
  return cut;
}

Tensor limited_to(const Tensor& map, const Box& box, const ImageSize& image) {
  Tensor result = map.clone();
  auto values = result.mutable_data<float>();
  int64_t height = map.dim(0), width = map.dim(1);
  // 1 inside, falling to 0 over a quarter of the box and at least one place of the map.
  auto inside = [](double at, double from, double to, double least) {
    double edge = std::max(least, 0.25 * (to - from)), beyond = std::max(from - at, at - to);
    return std::clamp(1 - beyond / edge, 0.0, 1.0);
  };
  double step_y = static_cast<double>(image.height) / static_cast<double>(height),
         step_x = static_cast<double>(image.width) / static_cast<double>(width);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      double factor = inside((static_cast<double>(y) + 0.5) * step_y, box.y, box.bottom(), step_y) *
                      inside((static_cast<double>(x) + 0.5) * step_x, box.x, box.right(), step_x);
      values[static_cast<size_t>(y * width + x)] *= static_cast<float>(factor);
    }
  return normalized(result, false);
}

}  // namespace hone::app
