#include <cmath>
#include <optional>

#include "graph/ops/index/indices.hpp"
#include "graph/ops/index/rank_key.hpp"

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
    auto overlap = static_cast<float>(context.has(3) ? context.in(3).scalar_as_double() : 0);
    std::optional<float> threshold;
    if (context.has(4)) threshold = static_cast<float>(context.in(4).scalar_as_double());
    int64_t count = boxes.dim(1), classes = scores.dim(1);
    if (count > UINT32_MAX) context.fail(fmt::format("has {} boxes, expected less than 2^32", count));
    std::vector<int64_t> rows;
    for (int64_t n = 0; n < boxes.dim(0); ++n) {
      std::vector<Box> corners = corners_of(boxes.data<float>().data() + n * count * 4, count);
      Chosen better(corners);
      for (int64_t c = 0; c < classes; ++c) {
        Ranking ranking(scores.data<float>().data() + (n * classes + c) * count, count, threshold);
        better.clear();
        size_t box = 0;
        for (int64_t chosen = 0; chosen < most[0] && ranking.next(box);) {
          if (better.overlap(corners[box], overlap)) continue;
          better.add(corners[box]);
          rows.insert(rows.end(), {n, c, static_cast<int64_t>(box)});
          ++chosen;
        }
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

  /// Boxes coordinate by coordinate: a candidate meets thousands of them, several at a time.
  struct Columns {
    std::vector<float> x1, y1, x2, y2, area;

    void add(const Box& box) {
      x1.push_back(box.x1), y1.push_back(box.y1), x2.push_back(box.x2), y2.push_back(box.y2);
      area.push_back(box.area());
    }
    void clear() { x1.clear(), y1.clear(), x2.clear(), y2.clear(), area.clear(); }
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

  /// The boxes chosen so far, in strips by their left edge: a candidate meets those that can reach it. Detectors that
  /// put all classes into one suppression move the boxes of each class to a place of their own.
  class Chosen {
   public:
    explicit Chosen(const std::vector<Box>& boxes) {
      float low = HUGE_VALF, high = -HUGE_VALF, widest = 0;
      bool finite = true;
      for (const Box& box : boxes) {
        low = std::min(low, box.x1), high = std::max(high, box.x1), widest = std::max(widest, box.x2 - box.x1);
        finite = finite && std::isfinite(box.x1) && std::isfinite(box.x2);
      }
      if (finite && high > low && std::isfinite(high - low)) {
        low_ = low;
        reach_ = widest * 1.001f + (high - low) * 1e-6f;  // no rounding hides a box that touches
        count_ = static_cast<float>(std::clamp((high - low) / (reach_ / 2), 1.0f, 256.0f));
        factor_ = count_ / (high - low);
      }
      strips_.resize(strip(high) + 1);
    }
    void clear() {
      for (size_t strip : used_) strips_[strip].clear();
      used_.clear();
    }
    void add(const Box& box) {
      size_t at = strip(box.x1);
      if (strips_[at].x1.empty()) used_.push_back(at);
      strips_[at].add(box);
    }
    bool overlap(const Box& box, float threshold) const {
      size_t last = std::min(strip(box.x2), strips_.size() - 1);
      for (size_t i = strip(box.x1 - reach_); i <= last; ++i)
        if (strips_[i].overlap(box, threshold)) return true;
      return false;
    }

   private:
    /// Also of what is no number: the first.
    size_t strip(float x) const {
      const float at = (x - low_) * factor_;
      return at > 0 ? static_cast<size_t>(std::min(at, count_)) : 0;
    }
    float low_ = 0, reach_ = 0, factor_ = 0, count_ = 0;
    std::vector<Columns> strips_;
    std::vector<size_t> used_;
  };

  /// Candidates by falling score, equal ones by index; put in order only as far as they are asked for.
  class Ranking {
   public:
    Ranking(const float* score, int64_t count, std::optional<float> threshold) {
      for (int64_t i = 0; i < count; ++i)
        if (threshold ? score[i] > *threshold : !std::isnan(score[i]))
          keys_.push_back(rank_key(score[i], true) << 32 | static_cast<uint64_t>(i));
    }
    bool next(size_t& box) {
      if (at_ == sorted_ && !sort_more()) return false;
      box = static_cast<size_t>(keys_[at_++] & 0xffffffffu);
      return true;
    }

   private:
    bool sort_more() {
      if (sorted_ == keys_.size()) return false;
      size_t stop = std::min(keys_.size(), sorted_ + chunk_);
      auto at = [&](size_t i) { return keys_.begin() + static_cast<int64_t>(i); };
      if (stop < keys_.size()) std::nth_element(at(sorted_), at(stop), keys_.end());
      std::sort(at(sorted_), at(stop));
      sorted_ = stop;
      chunk_ *= 4;
      return true;
    }
    std::vector<uint64_t> keys_;
    size_t at_ = 0, sorted_ = 0, chunk_ = 256;
  };
};

HONE_DEFINE_OP(NonMaxSuppression)

}  // namespace hone::ops
