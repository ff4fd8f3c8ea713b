#include "data/annotation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"

namespace hone {

double intersection(const Box& a, const Box& b) {
  double w = std::min(a.right(), b.right()) - std::max(a.x, b.x);
  double h = std::min(a.bottom(), b.bottom()) - std::max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

double iou(const Box& a, const Box& b) {
  double common = intersection(a, b);
  double all = a.area() + b.area() - common;
  return all > 0 ? common / all : 0;
}

Box clipped(const Box& box, double width, double height) {
  double left = std::clamp(box.x, 0.0, width), top = std::clamp(box.y, 0.0, height);
  double right = std::clamp(box.right(), 0.0, width), bottom = std::clamp(box.bottom(), 0.0, height);
  return {left, top, right - left, bottom - top};
}

Box bounding_box(const std::vector<Polygon>& polygons) {
  double infinity = std::numeric_limits<double>::infinity();
  double left = infinity, top = infinity, right = -infinity, bottom = -infinity;
  for (const Polygon& polygon : polygons)
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      left = std::min(left, polygon[i]);
      right = std::max(right, polygon[i]);
      top = std::min(top, polygon[i + 1]);
      bottom = std::max(bottom, polygon[i + 1]);
    }
  return left <= right ? Box{left, top, right - left, bottom - top} : Box{};
}

Rle mask_of(const Annotation& annotation, int height, int width) {
  if (!annotation.polygons.empty()) return rasterize(annotation.polygons, height, width);
  if (!annotation.mask.empty()) return annotation.mask;
  const Box& box = annotation.box;
  return rasterize({{box.x, box.y, box.x, box.bottom(), box.right(), box.bottom(), box.right(), box.y}}, height, width);
}

}  // namespace hone
