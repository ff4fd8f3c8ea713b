#include <cmath>

#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// Greedy selection of boxes by score that drops boxes overlapping a better one of the same class.
/// Inputs: boxes [N, boxes, 4], scores [N, classes, boxes], max_output_boxes_per_class, iou_threshold, score_threshold
/// (scalars, optional). Output: i64[selected, 3] rows of batch, class, box.
struct NonMaxSuppression : OpOf<NonMaxSuppression> {
  int64_t center_point_box = 0;  ///< 0: y1, x1, y2, x2 (any two corners); 1: x center, y center, width, height

  const char* type() const override { return "NonMaxSuppression"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 5, .traits = 0u | Trait::data_dependent,
            .summary = "y = [batch, class, box] of the boxes that no better one overlaps"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("center_point_box", center_point_box); }

  void infer(InferContext& context) const override {
    auto check = [&](size_t i, const char* form) {
      const Shape& shape = context.shape(i);
      if (shape.ranked && shape.rank() != 3)
        context.fail(fmt::format("input {} has shape {}, expected {}", i, to_string(shape), form));
    };
    check(0, "[batch, boxes, 4]");
    check(1, "[batch, classes, boxes]");
    if (context.shape(0).ranked && context.shape(0)[2].known() && context.shape(0)[2].value != 4)
      context.fail("boxes have shape " + to_string(context.shape(0)) + ", expected [batch, boxes, 4]");
    context.set_output(0, DType::i64, Shape{Dim(), Dim(3)});
  }

  void evaluate(EvalContext& context) const override {
    const Tensor boxes = context.in(0).cast(DType::f32), scores = context.in(1).cast(DType::f32);
    if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 || boxes.dim(0) != scores.dim(0) ||
        boxes.dim(1) != scores.dim(2))
      context.fail(
          fmt::format("boxes {} and scores {} do not fit, expected [batch, boxes, 4] and [batch, classes, boxes]",
                      to_string(boxes.dims()), to_string(scores.dims())));
    std::vector<int64_t> most = int_list(context, 2, {0});
    if (most.size() != 1)
      context.fail(fmt::format("input 2 (boxes per class) has {} elements, expected one", most.size()));
    double overlap = context.has(3) ? context.in(3).scalar_as_double() : 0;
    int64_t count = boxes.dim(1), classes = scores.dim(1);
    std::vector<int64_t> rows;
    for (int64_t n = 0; n < boxes.dim(0); ++n) {
      std::vector<Box> corners = corners_of(boxes.data<float>().data() + n * count * 4, count);
      for (int64_t c = 0; c < classes; ++c) {
        const float* score = scores.data<float>().data() + (n * classes + c) * count;
        for (int64_t box : select(context, corners, score, most[0], overlap)) rows.insert(rows.end(), {n, c, box});
      }
    }
    Tensor& y = context.out(0, DType::i64, {static_cast<int64_t>(rows.size() / 3), 3});
    std::copy(rows.begin(), rows.end(), y.mutable_data<int64_t>().begin());
  }

 private:
  struct Box {
    float x1, y1, x2, y2;
    float area() const { return (x2 - x1) * (y2 - y1); }
  };

  std::vector<Box> corners_of(const float* box, int64_t count) const {
    std::vector<Box> corners;
    for (int64_t i = 0; i < count; ++i, box += 4) {
      if (center_point_box) {
        float half_width = box[2] / 2, half_height = box[3] / 2;
        corners.push_back({box[0] - half_width, box[1] - half_height, box[0] + half_width, box[1] + half_height});
      } else {
        corners.push_back({std::min(box[1], box[3]), std::min(box[0], box[2]), std::max(box[1], box[3]),
                           std::max(box[0], box[2])});
      }
    }
    return corners;
  }

  /// The boxes chosen so far, coordinate by coordinate: a candidate meets thousands of them, several at a time.
  struct Chosen {
    std::vector<float> x1, y1, x2, y2, area;

    void add(const Box& box) {
      x1.push_back(box.x1), y1.push_back(box.y1), x2.push_back(box.x2), y2.push_back(box.y2);
      area.push_back(box.area());
    }
    bool overlap(const Box& box, float threshold) const {
      constexpr size_t block = 256;
      const float own = box.area();
      for (size_t begin = 0; begin < x1.size(); begin += block) {
        size_t end = std::min(x1.size(), begin + block);
        int found = 0;
        for (size_t i = begin; i < end; ++i) {
          float width = std::min(box.x2, x2[i]) - std::max(box.x1, x1[i]);
          float height = std::min(box.y2, y2[i]) - std::max(box.y1, y1[i]);
          float both = width * height, either = own + area[i] - both;
          found |= static_cast<int>(width > 0) & static_cast<int>(height > 0) & static_cast<int>(either > 0) &
                   static_cast<int>(both / either > threshold);
        }
        if (found) return true;
      }
      return false;
    }
  };

  static std::vector<int64_t> select(const EvalContext& context, const std::vector<Box>& boxes, const float* score,
                                     int64_t limit, double overlap) {
    std::vector<int64_t> order, chosen;
    for (int64_t i = 0; i < static_cast<int64_t>(boxes.size()); ++i) {
      if (std::isnan(score[i])) continue;
      if (!context.has(4) || score[i] > static_cast<float>(context.in(4).scalar_as_double())) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    Chosen better;
    for (int64_t candidate : order) {
      if (static_cast<int64_t>(chosen.size()) >= limit) break;
      const Box& box = boxes[static_cast<size_t>(candidate)];
      if (better.overlap(box, static_cast<float>(overlap))) continue;
      better.add(box);
      chosen.push_back(candidate);
    }
    return chosen;
  }
};

HONE_DEFINE_OP(NonMaxSuppression)

}  // namespace hone::ops
