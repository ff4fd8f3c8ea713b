// Ultra-Light-Fast face detector (Linzaer 2019): scores [1, n, 2] and corners [1, n, 4] in shares of the input.
#include <algorithm>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"

namespace hone::app {

namespace {
bool recognizes(const Graph& model) {
  std::vector<Dims> outputs = output_dims(model);
  if (outputs.size() != 2 || outputs[0].size() != 3 || outputs[1].size() != 3) return false;
  return std::min(outputs[0][2], outputs[1][2]) == 2 && std::max(outputs[0][2], outputs[1][2]) == 4;
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize& input, double least_score) {
  bool scores_first = outputs.at(0).second.rank() == 3 && outputs[0].second.dim(2) == 2;
  const Tensor& score_tensor = outputs.at(scores_first ? 0 : 1).second;
  const Tensor& box_tensor = outputs.at(scores_first ? 1 : 0).second;
  auto scores = score_tensor.data<float>(), boxes = box_tensor.data<float>();
  if (scores.size() / 2 != boxes.size() / 4) throw Error("outputs", "are not scores [1, n, 2] and boxes [1, n, 4]");
  std::vector<Detection> found;
  for (size_t i = 0; i < scores.size() / 2; ++i) {
    double score = scores[2 * i + 1];
    const float* b = &boxes[4 * i];
    if (score >= least_score)
      found.push_back({0,
                       0,
                       score,
                       {double{b[0]} * input.width, double{b[1]} * input.height, double{b[2] - b[0]} * input.width,
                        double{b[3] - b[1]} * input.height},
                       {}});
  }
  return found;
}

Candidates add_nodes(NodeWriter& nodes, const std::vector<Value*>& outputs, const ImageSize& input) {
  bool scores_first = outputs[0]->shape()[2] == Dim(2);
  auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
  Value* boxes = nodes.op("Mul", "boxes",
                          {outputs[scores_first ? 1 : 0], nodes.floats("whole", {4}, {width, height, width, height})});
  return {boxes, nodes.part("scores", outputs[scores_first ? 0 : 1], 2, 1, 2)};
}
}  // namespace

const Decoder ultraface_decoder = {"ultraface",
                                   "Ultra-Light-Fast face detector",
                                   {{127, 127, 127}, {128, 128, 128}, false, Fit::stretch, 0},
                                   0.3,
                                   face_classes,
                                   recognizes,
                                   decode,
                                   add_nodes};

}  // namespace hone::app
