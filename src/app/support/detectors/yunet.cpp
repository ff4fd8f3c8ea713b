// YuNet (Wu et al. 2023): for strides 8, 16 and 32 a class score, an objectness and a box a cell; landmarks are not
// used.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  auto ends_in = [&](int64_t size) {
    return std::count_if(outputs.begin(), outputs.end(),
                         [&](const Dims& dims) { return dims.size() == 3 && dims[2] == size; });
  };
  return outputs.size() == 12 && ends_in(1) == 6 && ends_in(4) == 3 && ends_in(10) == 3;
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  std::vector<Detection> found;
  for (int stride : {8, 16, 32}) {
    int columns = input.width / stride;
    int64_t cells = int64_t{input.height / stride} * columns;
    std::vector<const Tensor*> scores;  // class score and objectness: their product counts, whichever is which
    const Tensor* boxes = nullptr;
    for (const auto& [name, tensor] : outputs) {
      if (tensor.rank() != 3 || tensor.dim(1) != cells) continue;
      if (tensor.dim(2) == 1) scores.push_back(&tensor);
      if (tensor.dim(2) == 4) boxes = &tensor;
    }
    if (scores.size() != 2 || !boxes)
      throw Error("outputs", "are not those of YuNet", "expected two scores and a box for each cell and stride");
    auto a = scores[0]->data<float>(), b = scores[1]->data<float>(), box = boxes->data<float>();
    for (size_t i = 0; i < static_cast<size_t>(cells); ++i) {
      double score = std::sqrt(std::clamp(a[i], 0.0f, 1.0f) * std::clamp(b[i], 0.0f, 1.0f));
      if (!(score >= least_score)) continue;
      const float* v = &box[4 * i];
      double w = std::exp(v[2]) * stride, h = std::exp(v[3]) * stride;
      double cx = (static_cast<int>(i) % columns + v[0]) * stride, cy = (static_cast<int>(i) / columns + v[1]) * stride;
      found.push_back({0, 0, score, {cx - w / 2, cy - h / 2, w, h}, {}});
    }
  }
  return found;
}

Candidates add_nodes(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) {
  std::vector<Value*> boxes, scores;
  for (int stride : {8, 16, 32}) {
    std::string level = fmt::format("stride{}/", stride);
    int rows = input.height / stride, columns = input.width / stride;
    std::vector<float> corners, strides;
    add_cells(corners, strides, rows, columns, stride, 0);
    Value *box = nullptr, *product = nullptr;
    for (Value* output : outputs) {
      const Shape& shape = output->shape();
      if (shape.rank() != 3 || shape[1] != Dim(int64_t{rows} * columns)) continue;
      if (shape[2] == Dim(4)) box = output;
      if (shape[2] != Dim(1)) continue;
      Value* sure =
          nodes.op("Clip", level + "sure", {output, nodes.number(level + "zero", 0), nodes.number(level + "one", 1)});
      product = product ? nodes.op("Mul", level + "product", {product, sure}) : sure;
    }
    if (!box || !product)
      throw Error("outputs", "are not those of YuNet", "expected two scores and a box for each cell and stride");
    Value* scale = nodes.number(level + "stride", stride);
    Value* moved = nodes.op("Mul", level + "moved", {nodes.part(level + "offsets", box, 2, 0, 2), scale});
    Value* center = nodes.op("Add", level + "centers",
                             {moved, nodes.floats(level + "corners", {int64_t{rows} * columns, 2}, corners)});
    Value* size = nodes.op("Mul", level + "sizes",
                           {nodes.op("Exp", level + "grown", {nodes.part(level + "log_sizes", box, 2, 2, 4)}), scale});
    boxes.push_back(boxes_around(nodes, center, size));
    scores.push_back(nodes.op("Sqrt", level + "scores", {product}));
  }
  return {nodes.op("Concat", "boxes", boxes, {{"axis", int64_t{1}}}),
          nodes.op("Concat", "scores", scores, {{"axis", int64_t{1}}})};
}
}  // namespace

const Decoder yunet_decoder = {"yunet", "YuNet face detector", {{0, 0, 0}, {1, 1, 1}, true, Fit::stretch, 0}, 0.45,
                               face_classes, recognizes, decode, add_nodes};

}  // namespace hone::app
