// NanoDet (RangiLyu 2020): for each stride class scores, and for each side of the box a distribution over 8 distances
// whose mean times the stride is the distance from the cell's center (generalized focal loss, Li et al. 2020).
#include <algorithm>
#include <cmath>

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
  if (levels.empty()) throw Error("outputs", "are not those of NanoDet", "expected class scores and distances for each stride");
  return levels;
}

bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  if (outputs.size() != 6) return false;
  auto ends_in = [&](int64_t size) {
    return std::count_if(outputs.begin(), outputs.end(), [&](const Dims& dims) { return dims.size() == 3 && dims[2] == size; });
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
      double x = (static_cast<int>(cell) % columns + 0.5) * level.stride, y = (static_cast<int>(cell) / columns + 0.5) * level.stride;
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
}  // namespace

const Decoder nanodet_decoder = {"nanodet", "NanoDet raw heads, COCO classes",
                                 {{103.53f, 116.28f, 123.675f}, {57.375f, 57.12f, 58.395f}, true, Fit::stretch, 0}, 0.6,
                                 coco_classes, recognizes, decode};

}  // namespace hone::app
