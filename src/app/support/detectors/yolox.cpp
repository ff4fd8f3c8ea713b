// YOLOX (Ge et al. 2021), raw head: one row a cell of strides 8, 16 and 32 with x, y, w, h, objectness and classes.
#include <cmath>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
int64_t cells_of(int64_t height, int64_t width) {
  int64_t cells = 0;
  for (int64_t stride : {8, 16, 32}) cells += (height / stride) * (width / stride);
  return cells;
}

bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  if (outputs.size() != 1 || outputs[0].size() != 3 || outputs[0][2] != 85 || model.inputs().size() != 1) return false;
  const Shape& input = model.inputs()[0]->shape();
  return input.rank() == 4 && input[2].known() && input[3].known() &&
         outputs[0][1] == cells_of(input[2].value, input[3].value);
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  const Tensor& head = outputs[0].second;
  if (head.rank() != 3 || head.dim(2) < 6 || head.dim(1) != cells_of(input.height, input.width))
    throw Error("output '" + outputs[0].first + "'",
                "is " + to_string(head.dims()) + ", expected one row of boxes a cell of YOLOX");
  auto values = head.data<float>();
  auto columns = static_cast<size_t>(head.dim(2));
  std::vector<Detection> found;
  size_t row = 0;
  for (int stride : {8, 16, 32})
    for (int y = 0; y < input.height / stride; ++y)
      for (int x = 0; x < input.width / stride; ++x, ++row) {
        const float* v = &values[row * columns];
        for (size_t c = 5; c < columns; ++c) {
          double score = double{v[4]} * v[c];
          if (!(score >= least_score)) continue;
          double w = std::exp(v[2]) * stride, h = std::exp(v[3]) * stride;
          found.push_back({0,
                           static_cast<int>(c - 5),
                           score,
                           {(v[0] + x) * stride - w / 2, (v[1] + y) * stride - h / 2, w, h},
                           {}});
        }
      }
  return found;
}

Candidates add_nodes(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) {
  std::vector<float> corners, strides;
  for (int stride : {8, 16, 32}) add_cells(corners, strides, input.height / stride, input.width / stride, stride, 0);
  auto cells = static_cast<int64_t>(strides.size());
  int64_t columns = outputs[0]->shape()[2].value;
  Value* stride = nodes.floats("strides", {cells, 1}, strides);
  Value* moved = nodes.op("Mul", "moved", {nodes.part("offsets", outputs[0], 2, 0, 2), stride});
  Value* center = nodes.op("Add", "centers", {moved, nodes.floats("corners", {cells, 2}, corners)});
  Value* size =
      nodes.op("Mul", "sizes", {nodes.op("Exp", "grown", {nodes.part("log_sizes", outputs[0], 2, 2, 4)}), stride});
  Value* scores =
      nodes.op("Mul", "scores",
               {nodes.part("objectness", outputs[0], 2, 4, 5), nodes.part("classes", outputs[0], 2, 5, columns)});
  return {boxes_around(nodes, center, size), scores};
}
}  // namespace

const Decoder yolox_decoder = {"yolox",
                               "YOLOX raw head, COCO classes",
                               {{0, 0, 0}, {1, 1, 1}, true, Fit::letterbox_top_left, 114},
                               0.65,
                               coco_classes,
                               recognizes,
                               decode,
                               add_nodes};

}  // namespace hone::app
