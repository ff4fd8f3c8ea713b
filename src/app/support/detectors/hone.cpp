// What hone train ships: decoding and suppression inside, rows of image, class, score, left, top, right, bottom in
// pixels.
#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"
#include "data/dataset.hpp"
#include "graph/preprocess.hpp"

namespace hone::app {

namespace {
bool recognizes(const Graph& model) {
  auto task = model.metadata.find("hone.task");
  if (task == model.metadata.end() || task->second != name_of(Task::detection) || !takes_images(model)) return false;
  const Shape& rows = model.outputs()[0].value->shape();
  return model.outputs().size() == 1 && rows.rank() == 2 && rows[1] == Dim(7);
}

std::vector<Detection> decode(const Outputs& outputs, const ImageSize&, double least_score) {
  const Tensor& rows = outputs[0].second;
  if (rows.rank() != 2 || rows.dim(1) != 7)
    throw Error("output '" + outputs[0].first + "'",
                "is " + to_string(rows.dims()) + ", expected rows of 7 numbers, one a detection");
  std::vector<Detection> found;
  auto values = rows.data<float>();
  for (size_t i = 0; i + 7 <= values.size(); i += 7) {
    const float* row = &values[i];
    if (row[2] < least_score) continue;
    found.push_back(
        {0, static_cast<int>(row[1]), row[2], {row[3], row[4], double{row[5]} - row[3], double{row[6]} - row[4]}, {}});
  }
  return found;
}

const std::vector<std::string>& no_classes() {
  static const std::vector<std::string> none;
  return none;
}
}  // namespace

const Decoder hone_decoder = {.name = "hone",
                              .summary = "detections f32 [M, 7], as hone train ships them",
                              .input = {},
                              .nms_iou = 1,
                              .classes = no_classes,
                              .recognizes = recognizes,
                              .decode = decode,
                              .finished = true};

}  // namespace hone::app
