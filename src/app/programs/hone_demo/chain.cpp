#include "app/programs/hone_demo/chain.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "data/metrics.hpp"

namespace hone::app {

Chain::Chain(const std::vector<ImageModel>& models, const PredictorOptions& options, int top) : top_(top) {
  bool after_detector = false;
  for (const ImageModel& model : models) {
    if (after_detector && model.task == Task::segmentation)
      throw Error("model '" + model.graph.name + "'",
                  "is a segmenter behind a detector, which only a classifier or a detector can be", "give it first");
    after_detector |= model.task == Task::detection;
    predictors_.emplace_back(model, options);
  }
}

/// Objects found in objects become objects of the image; classes become a part of the caption.
void Chain::run_on_objects(Predictor& predictor, const Tensor& image, Marks& marks, std::vector<size_t>& regions) {
  std::vector<size_t> found;
  for (size_t region : regions) {
    Box outer = marks.objects[region].box;
    Findings findings = predictor.predict(crop_image(image, outer));
    seconds_ += predictor.seconds();
    Marks inner = marks_of(findings, predictor, 1);
    for (ObjectMark& one : inner.objects) {
      one.box.x += outer.x;
      one.box.y += outer.y;
      found.push_back(marks.objects.size());
      marks.objects.push_back(std::move(one));
    }
    for (auto& [label, text] : inner.lines) marks.objects[region].caption += ": " + text;
  }
  if (predictor.task() == Task::detection) regions = std::move(found);
}

Marks Chain::run(const Tensor& image) {
  Marks marks;
  seconds_ = 0;
  bool whole = true;
  std::vector<size_t> regions;
  for (Predictor& predictor : predictors_) {
    if (!whole) {
      run_on_objects(predictor, image, marks, regions);
      continue;
    }
    Marks found = marks_of(predictor.predict(image), predictor, top_);
    seconds_ += predictor.seconds();
    marks.lines.insert(marks.lines.end(), found.lines.begin(), found.lines.end());
    if (found.classes.defined()) marks.classes = found.classes, marks.legend = found.legend;
    if (predictor.task() != Task::detection) continue;
    whole = false;
    marks.objects = std::move(found.objects);
    regions.resize(marks.objects.size());
    std::iota(regions.begin(), regions.end(), size_t{0});
  }
  return marks;
}

}  // namespace hone::app
