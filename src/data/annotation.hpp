#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.hpp"

namespace hone {

/// A rectangle in pixels: left, top, width, height; the pixel in column 3 covers x from 3 to 4.
struct Box {
  double x = 0, y = 0, w = 0, h = 0;
  double right() const { return x + w; }
  double bottom() const { return y + h; }
  double area() const { return w * h; }
  bool operator==(const Box&) const = default;
};

double intersection(const Box& a, const Box& b);  ///< area, in square pixels
double iou(const Box& a, const Box& b);           ///< intersection over union, 0..1; 0 for empty boxes
/// The part of the box inside an image of that size; w and h are 0 when there is none.
Box clipped(const Box& box, double width, double height);

/// A binary mask as run lengths in COCO's order: column by column, zeros first.
struct Rle {
  int height = 0, width = 0;
  std::vector<uint32_t> counts;
  bool empty() const { return counts.empty(); }
  bool operator==(const Rle&) const = default;
};

/// x0, y0, x1, y1, ... in pixels.
using Polygon = std::vector<double>;

/// One annotated object of an image.
struct Annotation {
  int label = -1;  ///< index into Dataset::classes
  Box box;
  double area = 0;         ///< as the data set states it (COCO); 0: not stated
  bool crowd = false;      ///< COCO iscrowd: a region of many objects
  bool difficult = false;  ///< Pascal VOC: not counted in an evaluation
  std::vector<Polygon> polygons;
  Rle mask;  ///< used when there are no polygons; may be empty: only a box

  bool has_mask() const { return !polygons.empty() || !mask.empty(); }
};

/// From a mask u8 [H, W], where any value but 0 belongs to the object, and back (values 0 and 1).
Rle encode_rle(const Tensor& mask);
Tensor decode_rle(const Rle& rle);
/// Fills polygons exactly as pycocotools does (five times oversampled edges) and unites them.
Rle rasterize(const std::vector<Polygon>& polygons, int height, int width);
/// The mask of an annotation in an image of that size: its polygons, its runs, or its filled box.
Rle mask_of(const Annotation& annotation, int height, int width);
/// COCO's compressed text form. parse_rle throws Error when the text is damaged or does not fill height x width.
std::string rle_to_text(const Rle& rle);
Rle parse_rle(std::string_view text, int height, int width);
/// Throws Error when the runs do not fill height x width.
void require_valid(const Rle& rle);

int64_t area(const Rle& rle);       ///< pixels
Box bounding_box(const Rle& rle);   ///< of the pixels set; empty when there are none
int64_t intersection(const Rle& a, const Rle& b);  ///< pixels; 0 when the sizes differ
Rle united(const Rle& a, const Rle& b);            ///< of one size

/// The smallest box around the points; empty without points.
Box bounding_box(const std::vector<Polygon>& polygons);

}  // namespace hone
