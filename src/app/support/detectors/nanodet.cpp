// NanoDet (RangiLyu 2020): for each stride class scores, and for each side of the box a distribution over 8 distances
// whose mean times the stride is the distance from the cell's center (generalized focal loss, Li et al. 2020).
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
constexpr int bins = 8;

struct Level {
  int stride = 0;
  const Tensor* scores = nullptr;
  const Tensor* distances = nullptr;
};

/// Outputs [1, cells, 32] are distances, the others scores; they belong together by the number of cells.
std::vector<Level> levels_of(const Outputs& outputs, const ImageSize& input) {
  std::vector<Level> levels;
  for (int stride : {8, 16, 32, 64}) {
    Level level{stride};
    int64_t cells = int64_t{(input.height + stride - 1) / stride} * ((input.width + stride - 1) / stride);
    for (const auto& [name, tensor] : outputs) {
      if (tensor.rank() != 3 || tensor.dim(1) != cells) continue;
      (tensor.dim(2) == 4 * bins ? level.distances : level.scores) = &tensor;
    }
    if (level.scores && level.distances) levels.push_back(level);
  }
  if (levels.empty())
    throw Error("outputs", "are not those of NanoDet", "expected class scores and distances for each stride");
  return levels;
}

bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  if (outputs.size() != 6) return false;
  auto ends_in = [&](int64_t size) {
    return std::count_if(outputs.begin(), outputs.end(),
                         [&](const Dims& dims) { return dims.size() == 3 && dims[2] == size; });
  };
  return ends_in(4 * bins) == 3 && ends_in(80) == 3;
}

float mean_distance(const float* logits) {
  float most = *std::max_element(logits, logits + bins), sum = 0, weighted = 0;
  for (int i = 0; i < bins; ++i) {
    float e = std::exp(logits[i] - most);
    sum += e;
    weighted += e * static_cast<float>(i);
  }
  return weighted / sum;
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  std::vector<Detection> found;
  for (const Level& level : levels_of(outputs, input)) {
    auto scores = level.scores->data<float>(), distances = level.distances->data<float>();
    auto classes = static_cast<size_t>(level.scores->dim(2));
    bool logits = *std::min_element(scores.begin(), scores.end()) < -0.5f;  // some exports end before the sigmoid
    int columns = (input.width + level.stride - 1) / level.stride;
    for (size_t cell = 0; cell < static_cast<size_t>(level.scores->dim(1)); ++cell) {
      double x = (static_cast<int>(cell) % columns + 0.5) * level.stride,
             y = (static_cast<int>(cell) / columns + 0.5) * level.stride;
      Box box;
      for (size_t c = 0; c < classes; ++c) {
        double score = logits ? sigmoid(scores[cell * classes + c]) : scores[cell * classes + c];
        if (!(score >= least_score)) continue;
        if (box.w == 0) {
          double side[4];
          for (size_t i = 0; i < 4; ++i) side[i] = mean_distance(&distances[cell * 4 * bins + i * bins]) * level.stride;
          box = {x - side[0], y - side[1], side[0] + side[2], side[1] + side[3]};
        }
        found.push_back({0, static_cast<int>(c), score, box, {}});
      }
    }
  }
  return found;
}

/// Whether a value went through a sigmoid; nodes that only move numbers are looked through.
bool is_probability(const Value* value) {
  for (const Node* node = value->producer(); node; node = node->input(0)->producer()) {
    if (node->is("Sigmoid")) return true;
    bool moves = node->is("Transpose") || node->is("Reshape") || node->is("Squeeze") || node->is("Unsqueeze") ||
                 node->is("Concat") || node->is("Identity") || node->is("Flatten") || node->is("QuantizeLinear") ||
                 node->is("DequantizeLinear");
    if (!moves) return false;
  }
  return false;
}

Candidates add_nodes(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) {
  std::vector<Value*> boxes, scores;
  for (int stride : {8, 16, 32, 64}) {
    std::string level = fmt::format("stride{}/", stride);
    int rows = (input.height + stride - 1) / stride, columns = (input.width + stride - 1) / stride;
    int64_t cells = int64_t{rows} * columns;
    Value *distance = nullptr, *score = nullptr;
    for (Value* output : outputs)
      if (output->shape().rank() == 3 && output->shape()[1] == Dim(cells))
        (output->shape()[2] == Dim(4 * bins) ? distance : score) = output;
    if (!distance || !score) continue;
    std::vector<float> centers, strides, weights;
    add_cells(centers, strides, rows, columns, stride, 0.5);
    for (int i = 0; i < bins; ++i) weights.push_back(static_cast<float>(i * stride));
    Value* sides =
        nodes.op("Reshape", level + "sides", {distance, nodes.ints(level + "sides.shape", {0, cells, 4, bins})});
    Value* share = nodes.op("Softmax", level + "shares", {sides}, {{"axis", int64_t{3}}});
    Value* weighted = nodes.op("Mul", level + "weighted", {share, nodes.floats(level + "weights", {bins}, weights)});
    Value* mean = nodes.op("ReduceSum", level + "distances", {weighted, nodes.ints(level + "distances.axes", {3})},
                           {{"keepdims", int64_t{0}}});
    Value* center = nodes.floats(level + "centers", {cells, 2}, centers);
    Value* first = nodes.op("Sub", level + "left_top", {center, nodes.part(level + "before", mean, 2, 0, 2)});
    Value* second = nodes.op("Add", level + "right_bottom", {center, nodes.part(level + "behind", mean, 2, 2, 4)});
    boxes.push_back(nodes.op("Concat", level + "boxes", {first, second}, {{"axis", int64_t{2}}}));
    scores.push_back(is_probability(score) ? score : nodes.op("Sigmoid", level + "scores", {score}));
  }
  if (boxes.empty())
    throw Error("outputs", "are not those of NanoDet", "expected class scores and distances for each stride");
  return {nodes.op("Concat", "boxes", boxes, {{"axis", int64_t{1}}}),
          nodes.op("Concat", "scores", scores, {{"axis", int64_t{1}}})};
}
}  // namespace

const Decoder nanodet_decoder = {"nanodet", "NanoDet raw heads, COCO classes",
                                 {{103.53f, 116.28f, 123.675f}, {57.375f, 57.12f, 58.395f}, true, Fit::stretch, 0}, 0.6,
                                 coco_classes, recognizes, decode, add_nodes};

}  // namespace hone::app
