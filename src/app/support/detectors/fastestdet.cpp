// FastestDet (dog-qiuqiu 2022): one grid of 22x22 cells with objectness, box and classes in 85 planes.
#include <cmath>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  return outputs.size() == 1 && outputs[0].size() == 4 && outputs[0][1] == 85 && outputs[0][2] == outputs[0][3] &&
         outputs[0][2] > 1;
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  const Tensor& head = outputs[0].second;
  if (head.rank() != 4 || head.dim(1) < 6)
    throw Error("output '" + outputs[0].first + "'",
                "is " + to_string(head.dims()) + ", expected planes of objectness, box and classes");
  auto values = head.data<float>();
  auto planes = static_cast<size_t>(head.dim(1)), rows = static_cast<size_t>(head.dim(2)),
       columns = static_cast<size_t>(head.dim(3));
  size_t cells = rows * columns;
  std::vector<Detection> found;
  for (size_t cell = 0; cell < cells; ++cell) {
    auto at = [&](size_t plane) { return values[plane * cells + cell]; };
    double cx = (std::tanh(at(1)) + static_cast<double>(cell % columns)) / static_cast<double>(columns) * input.width;
    double cy = (std::tanh(at(2)) + static_cast<double>(cell / columns)) / static_cast<double>(rows) * input.height;
    double w = sigmoid(at(3)) * input.width, h = sigmoid(at(4)) * input.height;
    for (size_t c = 5; c < planes; ++c) {
      double score = std::pow(std::max(0.0f, at(0)), 0.6) * std::pow(std::max(0.0f, at(c)), 0.4);
      if (score >= least_score)
        found.push_back({0, static_cast<int>(c - 5), score, {cx - w / 2, cy - h / 2, w, h}, {}});
    }
  }
  return found;
}

Candidates add_nodes(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) {
  const Shape& shape = outputs[0]->shape();
  int64_t planes = shape[1].value, rows = shape[2].value, columns = shape[3].value;
  std::vector<float> corners, unused;
  add_cells(corners, unused, static_cast<int>(rows), static_cast<int>(columns), 1, 0);
  auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
  Value* flat = nodes.op("Reshape", "flat", {outputs[0], nodes.ints("flat.shape", {0, planes, rows * columns})});
  Value* all = nodes.op("Transpose", "cells", {flat}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  Value* place = nodes.op("Add", "place", {nodes.op("Tanh", "offsets", {nodes.part("raw_offsets", all, 2, 1, 3)}),
                                           nodes.floats("corners", {rows * columns, 2}, corners)});
  Value* center = nodes.op(
      "Mul", "centers",
      {place, nodes.floats("cell", {2}, {width / static_cast<float>(columns), height / static_cast<float>(rows)})});
  Value* size = nodes.op("Mul", "sizes",
                         {nodes.op("Sigmoid", "shares", {nodes.part("raw_sizes", all, 2, 3, 5)}),
                          nodes.floats("whole", {2}, {width, height})});
  auto power = [&](const std::string& name, int64_t from, int64_t to, double exponent) {
    Value* positive = nodes.op("Relu", name + ".positive", {nodes.part(name, all, 2, from, to)});
    return nodes.op("Pow", name + ".power", {positive, nodes.number(name + ".exponent", exponent)});
  };
  return {boxes_around(nodes, center, size),
          nodes.op("Mul", "scores", {power("objectness", 0, 1, 0.6), power("classes", 5, planes, 0.4)})};
}
}  // namespace

const Decoder fastestdet_decoder = {"fastestdet",
                                    "FastestDet, COCO classes",
                                    {{0, 0, 0}, {255, 255, 255}, true, Fit::stretch, 0},
                                    0.45,
                                    coco_classes,
                                    recognizes,
                                    decode,
                                    add_nodes};

}  // namespace hone::app
