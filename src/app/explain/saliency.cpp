#include "app/explain/saliency.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

#include "app/support/subgraph.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "data/metrics.hpp"

namespace hone::app {

namespace {

constexpr SaliencyMethod all_methods[] = {SaliencyMethod::activation, SaliencyMethod::eigen_cam,
                                          SaliencyMethod::recipro_cam};
constexpr size_t batch_bytes = 32 << 20;  // of masked feature maps at a time

bool is_feature_map(const Value* value) {
  const Shape& shape = value->shape();
  if (value->dtype() != DType::f32 || shape.rank() != 4) return false;
  for (size_t i : {1, 2, 3})
    if (!shape[i].known()) return false;
  return shape[2].value * shape[3].value > 1 && (!shape[0].known() || shape[0].value == 1);
}

/// All that the image says to the first output goes through this value.
bool only_way(const Graph& graph, const Value* value) {
  return subgraph(graph, std::span(&value, 1), std::span(graph.outputs()).first(1)).inputs().size() == 1;
}

/// The values of a head's outputs at the places of its grids: our own heads say how these lie in `hone.head`.
struct Level {
  int64_t height, width, anchors;
};

std::vector<Level> levels_of(const std::string& layout) {
  std::vector<Level> levels;
  std::istringstream parts(layout);
  for (std::string part; std::getline(parts, part, ';');) {
    long long height = 0, width = 0;
    if (std::sscanf(part.c_str(), "level=%lldx%lld:", &height, &width) == 2)
      levels.push_back({height, width, 1 + std::count(part.begin(), part.end(), ',')});
  }
  return levels;
}

/// The raw outputs of our own detector: what the rows of candidates are gathered from; empty for any other.
std::vector<const Value*> raw_outputs(const Graph& graph) {
  std::vector<const Value*> raw;
  for (const auto& node : graph.nodes())
    if (node->is("GatherND") && node->name.starts_with("detector/candidate_rows")) raw.push_back(node->input(0));
  return raw;
}

/// The score of a class at each anchor of our own heads.
std::vector<float> anchor_scores(const std::string& layout, std::span<const Tensor> raw, int label) {
  bool ssd = layout.starts_with("kind=ssd");
  auto columns = static_cast<size_t>(raw[0].dim(2)), anchors = static_cast<size_t>(raw[0].dim(1));
  auto logits = raw[0].data<float>();
  auto column = static_cast<size_t>(label) + (ssd ? 1 : 0);
  std::vector<float> scores(anchors, 0);
  for (size_t a = 0; a < anchors && column < columns; ++a) {
    std::span<const float> row = logits.subspan(a * columns, columns);
    scores[a] = ssd ? softmax(row)[column] : sigmoid(row[column]);
    if (raw.size() > 2) scores[a] *= sigmoid(raw[2].data<float>()[a]);
  }
  return scores;
}

constexpr int map_side = 64;

/// The largest score of all levels at each place, linear between the cells of a level.
Tensor score_map(const std::vector<Level>& levels, const std::vector<float>& scores) {
  Tensor map = Tensor::zeros(DType::f32, {map_side, map_side});
  auto out = map.mutable_data<float>();
  size_t first = 0;
  for (const Level& level : levels) {
    auto anchors = static_cast<size_t>(level.anchors), cells = static_cast<size_t>(level.height * level.width);
    if (first + cells * anchors > scores.size()) break;
    std::vector<float> best(cells);
    for (size_t i = 0; i < cells; ++i)
      best[i] = *std::max_element(&scores[first + i * anchors], &scores[first + i * anchors] + anchors);
    auto cell = [&](double y, double x) {
      auto row = std::clamp<int64_t>(static_cast<int64_t>(y), 0, level.height - 1),
           column = std::clamp<int64_t>(static_cast<int64_t>(x), 0, level.width - 1);
      return best[static_cast<size_t>(row * level.width + column)];
    };
    for (int y = 0; y < map_side; ++y)
      for (int x = 0; x < map_side; ++x) {
        double cy = std::max(0.0, (y + 0.5) * static_cast<double>(level.height) / map_side - 0.5),
               fy = cy - std::floor(cy);
        double cx = std::max(0.0, (x + 0.5) * static_cast<double>(level.width) / map_side - 0.5),
               fx = cx - std::floor(cx);
        double value = (1 - fy) * ((1 - fx) * cell(cy, cx) + fx * cell(cy, cx + 1)) +
                       fy * ((1 - fx) * cell(cy + 1, cx) + fx * cell(cy + 1, cx + 1));
        float& most = out[static_cast<size_t>(y * map_side + x)];
        most = std::max(most, static_cast<float>(value));
      }
    first += cells * anchors;
  }
  return map;
}

/// The largest score around the centers of boxes, over an area of `width` x `height`.
Tensor box_map(const std::vector<Detection>& boxes, int label, double width, double height) {
  Tensor map = Tensor::zeros(DType::f32, {map_side, map_side});
  auto out = map.mutable_data<float>();
  for (const Detection& one : boxes) {
    if (one.label != label) continue;
    double cx = (one.box.x + one.box.w / 2) / width * map_side, cy = (one.box.y + one.box.h / 2) / height * map_side;
    double sx = std::max(1.0, one.box.w / width * map_side / 6), sy = std::max(1.0, one.box.h / height * map_side / 6);
    for (int y = 0; y < map_side; ++y)
      for (int x = 0; x < map_side; ++x) {
        double dx = (x + 0.5 - cx) / sx, dy = (y + 0.5 - cy) / sy;
        float& most = out[static_cast<size_t>(y * map_side + x)];
        most = std::max(most, static_cast<float>(one.score * std::exp(-0.5 * (dx * dx + dy * dy))));
      }
  }
  return map;
}

/// Softmax over the classes of f32 [1, C, H, W], of one class.
Tensor class_probability(const Tensor& scores, int label) {
  Tensor map(DType::f32, {scores.dim(2), scores.dim(3)});
  auto in = scores.data<float>();
  auto out = map.mutable_data<float>();
  auto classes = static_cast<size_t>(scores.dim(1));
  std::vector<float> row(classes);
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t c = 0; c < classes; ++c) row[c] = in[c * out.size() + i];
    out[i] = softmax(row)[static_cast<size_t>(label)];
  }
  return map;
}

}  // namespace

const char* name_of(SaliencyMethod method) {
  return method == SaliencyMethod::activation  ? "activation"
         : method == SaliencyMethod::eigen_cam ? "eigen-cam"
                                               : "recipro-cam";
}

SaliencyMethod parse_saliency_method(const std::string& name) {
  std::vector<std::string> names;
  for (SaliencyMethod method : all_methods) {
    if (name == name_of(method)) return method;
    names.emplace_back(name_of(method));
  }
  std::vector<std::string> near = nearest_words(name, names, 1);
  throw Error("method", fmt::format("'{}' is none of {}", name, fmt::join(names, ", ")),
              near.empty() ? "" : fmt::format("did you mean '{}'?", near[0]));
}

Saliency::Saliency(const ImageModel& model, SaliencyMethod method, const std::string& layer,
                   const PredictorOptions& options)
    : task_(model.task),
      method_(method),
      decoder_(model.decoder),
      predictor_(model, options),
      model_outputs_(model.graph.outputs().size()) {
  bool classifies = task_ == Task::classification || task_ == Task::multi_label;
  if (method == SaliencyMethod::recipro_cam && task_ == Task::detection) {
    objects_.emplace(model, layer, options);
    layer_ = objects_->layer();
    return;
  }
  if (method == SaliencyMethod::recipro_cam && !classifies)
    throw Error(
        "recipro-cam",
        fmt::format("asks for the score of the whole image, which a model for {} does not give", name_of(task_)),
        "use --method activation or eigen-cam");
  Graph graph = model.graph.clone();
  auto add_output = [&](const Value* value, const std::string& name) {
    graph.add_output(name, graph.find_value(value->name));
  };
  if (method == SaliencyMethod::activation && !classifies) {
    if (!layer.empty())
      throw Error("--layer", fmt::format("has no meaning for the activation map of a model for {}", name_of(task_)),
                  "use --method eigen-cam");
    std::vector<const Value*> raw = raw_outputs(model.graph);
    auto layout = model.graph.metadata.find("hone.head");
    if (task_ == Task::detection && raw.size() >= 2 && layout != model.graph.metadata.end()) {
      head_layout_ = layout->second;
      for (size_t i = 0; i < raw.size(); ++i) add_output(raw[i], fmt::format("raw {}", i));
    }
  } else {
    const Value* feature = choose_layer(model.graph, layer);
    layer_ = feature->name;
    add_output(feature, "feature map");
    if (method == SaliencyMethod::activation) weights_ = linear_head(model.graph, feature);
    if (weights_.defined() && weights_.dim(1) != feature->shape()[1].value) weights_ = {};
    if (method == SaliencyMethod::recipro_cam) {
      Graph head = subgraph(model.graph, std::span(&feature, 1), std::span(model.graph.outputs()).first(1));
      if (head.inputs().size() != 1)
        throw Error("layer '" + layer_ + "'", "is not the only way from the image to the result (it lies in a branch)",
                    "choose another with --layer, or another --method");
      if (!feature->shape()[0].known())
        head_batch_ = std::max<int64_t>(
            1, static_cast<int64_t>(batch_bytes / 4) /
                   (feature->shape()[1].value * feature->shape()[2].value * feature->shape()[3].value));
      head_.emplace(load(std::move(head), options.device));
    }
  }
  runner_.emplace(graph, model.decoder, options.device);
}

const Value* Saliency::choose_layer(const Graph& graph, const std::string& layer) const {
  std::vector<const Value*> maps;
  for (const Value* value : computed_values(graph))
    if (is_feature_map(value)) maps.push_back(value);
  if (!layer.empty()) {
    std::vector<std::string> names;
    for (const Value* value : maps) {
      if (value->name == layer || value->producer()->name == layer) return value;
      names.push_back(value->name);
    }
    std::vector<std::string> near = nearest_words(layer, names, 3);
    throw Error("--layer", fmt::format("'{}' is no value or node with a feature map f32 [N, C, H, W]", layer),
                near.empty() ? "see hone inspect --text" : fmt::format("near: {}", fmt::join(near, ", ")));
  }
  if (maps.empty())
    throw Error("graph '" + graph.name + "'", "has no feature map f32 [N, C, H, W] of known size",
                "this needs a convolutional network");
  if (task_ == Task::classification || task_ == Task::multi_label) {
    for (size_t i = maps.size(); i-- > 0 && i + 64 > maps.size();)
      if (only_way(graph, maps[i])) return maps[i];
    return maps.back();
  }
  // The largest map is the input; features at about a 32nd of it, else the coarsest.
  int64_t side = 0, wanted = 0;
  for (const Value* value : maps) side = std::max(side, std::min(value->shape()[2].value, value->shape()[3].value));
  for (const Value* value : maps) {
    int64_t here = std::min(value->shape()[2].value, value->shape()[3].value);
    if (!wanted || std::abs(here * 32 - side) < std::abs(wanted * 32 - side)) wanted = here;
  }
  const Value* best = nullptr;
  for (const Value* value : maps) {  // not where maps are put side by side: what is pooled wide says little of places
    if (std::min(value->shape()[2].value, value->shape()[3].value) != wanted ||
        (best && value->producer()->is("Concat")))
      continue;
    if (!best || best->producer()->is("Concat") || value->shape()[1].value >= best->shape()[1].value) best = value;
  }
  return best;
}

Findings Saliency::see(const Tensor& image) {
  image_ = {static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))};
  if (objects_) return objects_->see(image);
  outputs_ = runner_->run(image, placement_);
  return predictor_.read({outputs_.begin(), outputs_.begin() + static_cast<std::ptrdiff_t>(model_outputs_)}, placement_,
                         image);
}

std::optional<int> Saliency::first_class(const Findings& found) const {
  if (!found.objects.empty()) return found.objects[0].label;
  if (!found.probabilities.empty()) return top_k(found.probabilities, 1)[0];
  if (!found.classes.defined()) return std::nullopt;
  std::vector<std::pair<int, double>> shares = class_shares(found.classes);
  return shares.size() > 1 && predictor_.label(shares[0].first) == "background" ? shares[1].first : shares[0].first;
}

Tensor Saliency::activation(int label) {
  if (task_ == Task::segmentation) return class_probability(outputs_[0], label);
  if (!head_layout_.empty())
    return score_map(levels_of(head_layout_),
                     anchor_scores(head_layout_, std::span(outputs_).subspan(model_outputs_), label));
  if (task_ == Task::detection) {
    Outputs named;
    for (size_t i = 0; i < model_outputs_; ++i) named.emplace_back("output", outputs_[i]);
    if (!decoder_) return box_map(find_decoder("hone", {})->decode(named, {}, 0), label, image_.width, image_.height);
    ImageSize size = runner_->input_size();
    return cut_to_image(box_map(decoder_->decode(named, size, 0.001), label, size.width, size.height), *decoder_, size,
                        placement_, image_);
  }
  auto channels = weights_.defined() ? static_cast<size_t>(weights_.dim(1)) : 0;
  bool known = weights_.defined() && label < weights_.dim(0);
  return weighted_channels(outputs_.back(),
                           known ? weights_.data<float>().subspan(static_cast<size_t>(label) * channels, channels)
                                 : std::span<const float>());
}

Tensor Saliency::recipro_cam(int label) {
  const Tensor& feature = outputs_.back();
  int64_t channels = feature.dim(1), height = feature.dim(2), width = feature.dim(3), places = height * width;
  auto in = feature.data<float>();
  Tensor map(DType::f32, {height, width});
  for (int64_t first = 0; first < places; first += head_batch_) {
    int64_t count = std::min(head_batch_, places - first);
    Tensor masked = Tensor::zeros(DType::f32, {count, channels, height, width});
    auto out = masked.mutable_data<float>();
    for (int64_t n = 0; n < count; ++n)
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx) {
          int64_t y = (first + n) / width + dy, x = (first + n) % width + dx;
          if (y < 0 || x < 0 || y >= height || x >= width) continue;
          float weight = (dy ? 0.5f : 1.0f) * (dx ? 0.5f : 1.0f);
          for (int64_t c = 0; c < channels; ++c) {
            auto at = static_cast<size_t>((c * height + y) * width + x);
            out[static_cast<size_t>(n * channels * places) + at] = weight * in[at];
          }
        }
    Tensor scores = head_->run(std::span(&masked, 1)).at(0);
    auto classes = static_cast<size_t>(scores.size() / count);
    for (int64_t n = 0; n < count; ++n)
      map.mutable_data<float>()[static_cast<size_t>(first + n)] =
          scores.data<float>()[static_cast<size_t>(n) * classes + static_cast<size_t>(label)];
  }
  return map;
}

Tensor Saliency::map(int label) {
  if (objects_) throw Error("recipro-cam", "asks for one object of a detector, not for a class");
  if (outputs_.empty()) throw Error("saliency", "has seen no image");
  if (method_ == SaliencyMethod::recipro_cam) return normalized(recipro_cam(label), true);
  if (method_ == SaliencyMethod::eigen_cam) {
    Tensor map = principal_map(outputs_.back());
    return normalized(decoder_ ? cut_to_image(map, *decoder_, runner_->input_size(), placement_, image_) : map, true);
  }
  return normalized(activation(label), false);
}

Tensor Saliency::map(const Detection& object) {
  return objects_ ? objects_->map(object) : limited_to(map(object.label), object.box, image_);
}

}  // namespace hone::app
