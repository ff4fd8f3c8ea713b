#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "data/metrics/detection.hpp"

namespace hone {

namespace {
struct Point {
  double recall, precision;
};

/// Precision and recall after each detection of a class, best first; `objects` gets the number to be found.
std::vector<Point> curve_of(const Dataset& truth, std::span<const Detection> detections, int label, double threshold,
                            int64_t& objects) {
  std::map<int, std::vector<const Annotation*>> wanted;
  objects = 0;
  for (size_t i = 0; i < truth.samples.size(); ++i)
    for (const Annotation& object : truth.samples[i].objects) {
      if (object.label != label) continue;
      wanted[static_cast<int>(i)].push_back(&object);
      objects += !(object.difficult || object.crowd);
    }
  std::vector<const Detection*> order;
  for (const Detection& detection : detections)
    if (detection.label == label) order.push_back(&detection);
  std::stable_sort(order.begin(), order.end(),
                   [](const Detection* a, const Detection* b) { return a->score > b->score; });
  std::map<const Annotation*, bool> taken;
  std::vector<Point> curve;
  double right = 0, wrong = 0;
  for (const Detection* detection : order) {
    const Annotation* best = nullptr;
    double overlap = -1;
    for (const Annotation* object : wanted[detection->image])
      if (double value = iou(detection->box, object->box); value > overlap) overlap = value, best = object;
    if (best && overlap >= threshold) {
      if (best->difficult || best->crowd) continue;
      (taken[best] ? wrong : right) += 1;
      taken[best] = true;
    } else {
      wrong += 1;
    }
    curve.push_back({objects ? right / static_cast<double>(objects) : 0, right / (right + wrong)});
  }
  return curve;
}

double area_under(std::vector<Point> curve) {
  double area = 0, previous = 0;
  for (size_t i = curve.size(); i-- > 1;) curve[i - 1].precision = std::max(curve[i - 1].precision, curve[i].precision);
  for (const Point& point : curve) {
    area += (point.recall - previous) * point.precision;
    previous = point.recall;
  }
  return area;
}

double eleven_points(const std::vector<Point>& curve) {
  double sum = 0;
  for (int i = 0; i <= 10; ++i) {
    double best = 0;
    for (const Point& point : curve)
      if (point.recall >= i / 10.0) best = std::max(best, point.precision);
    sum += best / 11;
  }
  return sum;
}
}  // namespace

VocScores voc_scores(const Dataset& truth, std::span<const Detection> detections, double threshold) {
  VocScores scores;
  int64_t occurring = 0;
  for (int label = 0; label < static_cast<int>(truth.classes.size()); ++label) {
    int64_t objects = 0;
    std::vector<Point> curve = curve_of(truth, detections, label, threshold, objects);
    scores.class_area.push_back(objects ? area_under(curve) : -1);
    scores.class_11_point.push_back(objects ? eleven_points(curve) : -1);
    if (objects == 0) continue;
    ++occurring;
    scores.map_area += scores.class_area.back();
    scores.map_11_point += scores.class_11_point.back();
  }
  if (occurring > 0) {
    scores.map_area /= static_cast<double>(occurring);
    scores.map_11_point /= static_cast<double>(occurring);
  }
  return scores;
}

}  // namespace hone
