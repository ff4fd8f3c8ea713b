// FastestDet (dog-qiuqiu 2022): one grid of 22x22 cells with objectness, box and classes in 85 planes.
#include <cmath>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  return outputs.size() == 1 && outputs[0].size() == 4 && outputs[0][1] == 85 && outputs[0][2] == outputs[0][3] && outputs[0][2] > 1;
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  const Tensor& head = outputs[0].second;
  if (head.rank() != 4 || head.dim(1) < 6)
    throw Error("output '" + outputs[0].first + "'", "is " + to_string(head.dims()) + ", expected planes of objectness, box and classes");
  auto values = head.data<float>();
  auto planes = static_cast<size_t>(head.dim(1)), rows = static_cast<size_t>(head.dim(2)), columns = static_cast<size_t>(head.dim(3));
  size_t cells = rows * columns;
  std::vector<Detection> found;
  for (size_t cell = 0; cell < cells; ++cell) {
    auto at = [&](size_t plane) { return values[plane * cells + cell]; };
    double cx = (std::tanh(at(1)) + static_cast<double>(cell % columns)) / static_cast<double>(columns) * input.width;
    double cy = (std::tanh(at(2)) + static_cast<double>(cell / columns)) / static_cast<double>(rows) * input.height;
    double w = sigmoid(at(3)) * input.width, h = sigmoid(at(4)) * input.height;
    for (size_t c = 5; c < planes; ++c) {
      double score = std::pow(std::max(0.0f, at(0)), 0.6) * std::pow(std::max(0.0f, at(c)), 0.4);
      if (score >= least_score) found.push_back({0, static_cast<int>(c - 5), score, {cx - w / 2, cy - h / 2, w, h}, {}});
    }
  }
  return found;
}
}  // namespace

const Decoder fastestdet_decoder = {"fastestdet", "FastestDet, COCO classes", {{0, 0, 0}, {255, 255, 255}, true, Fit::stretch, 0}, 0.45,
                                    coco_classes, recognizes, decode};

}  // namespace hone::app
