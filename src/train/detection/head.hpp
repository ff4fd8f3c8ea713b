#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.hpp"
#include "graph/graph.hpp"

namespace hone {

/// A rectangle by its corners, in pixels of the network's input.
struct Corners {
  float left = 0, top = 0, right = 0, bottom = 0;
  float width() const { return right - left; }
  float height() const { return bottom - top; }
  float area() const { return width() * height(); }
  bool operator==(const Corners&) const = default;
};
float iou(const Corners& a, const Corners& b);  ///< intersection over union, 0..1; 0 for empty boxes

/// What a head predicts relative to: a box by its center and sides, in pixels of the network's input.
struct Anchor {
  float x = 0, y = 0, width = 0, height = 0;
  Corners corners() const { return {x - width / 2, y - height / 2, x + width / 2, y + height / 2}; }
};

/// The families of heads. Outputs are `class_logits` f32 [N, anchors, columns] and `boxes` f32 [N, anchors, 4]; anchors
/// are ordered by level, row, column, anchor of the cell. With an anchor (x, y, w, h) and raw regression r:
enum class HeadKind {
  /// Liu et al. 2016: softmax over background (column 0) and classes; center x + 0.1 r0 w, y + 0.1 r1 h, sides w e^(0.2
  /// r2),
  /// h e^(0.2 r3).
  ssd,
  /// Zhang et al. 2020 with the distances of FCOS: one sigmoid a class; left x - w/2 e^r0, top y - h/2 e^r1, right,
  /// bottom.
  atss,
  /// Ge et al. 2021: sigmoid of the class times sigmoid of `objectness` f32 [N, anchors, 1]; center x + r0 w, y + r1 h,
  /// sides
  /// w e^r2, h e^r3.
  yolox
};
const char* name_of(HeadKind kind);

/// One feature map of a head.
struct HeadLevel {
  int64_t height = 0, width = 0;              ///< cells
  float step = 0;                             ///< pixels from cell to cell; the first center is half a step inside
  std::vector<std::array<float, 2>> anchors;  ///< width and height, in pixels, of the anchors of each cell
};

/// All that loss and decoding need to know of a detector's head; kept as text in the metadata key `hone.head`.
struct DetectorHead {
  HeadKind kind = HeadKind::ssd;
  int64_t classes = 0;
  int64_t height = 0, width = 0;  ///< of the network's input
  std::vector<HeadLevel> levels;

  int64_t columns() const { return classes + (kind == HeadKind::ssd ? 1 : 0); }
  int64_t anchor_count() const;
  /// The same head on an input of another size. Throws Error when a level's step does not say how many cells it has
  /// then.
  DetectorHead resized(int64_t to_height, int64_t to_width) const;
};

/// "kind=ssd;classes=3;input=320x416;level=40x52:8:16x16,22.6x22.6;level=..." and back; parsing throws Error.
std::string to_string(const DetectorHead& head);
DetectorHead parse_detector_head(const std::string& text);
void set_detector_head(Graph& graph, const DetectorHead& head);
/// Throws Error when the graph has none, or one that its outputs do not fit.
DetectorHead detector_head(const Graph& graph);

/// The anchors of all cells, in the order of the outputs.
std::vector<Anchor> anchors_of(const DetectorHead& head);

/// The largest exponent that decoding takes: what a network says beyond is no size of an image.
inline constexpr float max_box_exponent = 6;
/// The box that a head means by four raw numbers at an anchor.
Corners decode_box(HeadKind kind, const Anchor& anchor, const float* raw);
/// The raw numbers that stand for a box (ssd and yolox).
std::array<float, 4> encode_box(HeadKind kind, const Anchor& anchor, const Corners& box);
/// How far ssd and yolox scale offsets and logarithms of sizes.
std::array<float, 2> box_variances(HeadKind kind);

}  // namespace hone
