// The losses of the three kinds of heads, each summed over images.
#include <algorithm>
#include <cmath>

#include "train/detection/losses.hpp"
#include "train/detection/objective.hpp"

namespace hone {

namespace {

constexpr int64_t negatives_each = 3;   ///< SSD: background anchors for each one with an object
constexpr int64_t least_negatives = 12; ///< SSD: of an image with few objects or none

/// Anchors with objects, as rows of the outputs seen as [images * anchors, ...].
struct Positives {
  std::vector<int64_t> rows, labels;
  std::vector<float> boxes;  ///< corners, four each
  int64_t count() const { return static_cast<int64_t>(rows.size()); }
};

at::Tensor tensor_of(const std::vector<int64_t>& values) {
  return at::tensor(at::ArrayRef<int64_t>(values), at::kLong);
}

Positives positives_of(const LossInput& input) {
  Positives result;
  int64_t anchors = input.anchors.size(0);
  for (size_t image = 0; image < input.assignments.size(); ++image)
    for (int64_t a = 0; a < anchors; ++a) {
      int32_t object = input.assignments[image][static_cast<size_t>(a)];
      if (object < 0) continue;
      const MatchObjects& objects = input.objects[image];
      const Corners& box = objects.boxes[static_cast<size_t>(object)];
      result.rows.push_back(static_cast<int64_t>(image) * anchors + a);
      result.labels.push_back(objects.labels[static_cast<size_t>(object)]);
      result.boxes.insert(result.boxes.end(), {box.left, box.top, box.right, box.bottom});
    }
  return result;
}

at::Tensor target_boxes(const Positives& positives) {
  return at::tensor(at::ArrayRef<float>(positives.boxes)).reshape({-1, 4});
}

at::Tensor flat(const at::Tensor& output) { return output.reshape({-1, output.size(2)}); }

at::Tensor anchors_at(const LossInput& input, const at::Tensor& rows) {
  return input.anchors.index_select(0, rows.remainder(input.anchors.size(0)));
}

/// 1 for each row, 0 for those of anchors to leave out; undefined when there are none.
at::Tensor row_weights(const LossInput& input) {
  at::Tensor weights;
  int64_t anchors = input.anchors.size(0);
  for (size_t image = 0; image < input.assignments.size(); ++image)
    for (int64_t a = 0; a < anchors; ++a) {
      if (input.assignments[image][static_cast<size_t>(a)] != assigned_nothing) continue;
      if (!weights.defined())
        weights = at::ones({static_cast<int64_t>(input.assignments.size()) * anchors, 1}, at::kFloat);
      weights.data_ptr<float>()[static_cast<int64_t>(image) * anchors + a] = 0;
    }
  return weights;
}

/// The background anchors of an image that the network is most wrong about.
void mine(const LossInput& input, const at::Tensor& logits, size_t image, std::vector<int64_t>& rows) {
  int64_t anchors = input.anchors.size(0), columns = logits.size(1), positives = 0;
  std::vector<std::pair<float, int64_t>> losses;
  for (int64_t a = 0; a < anchors; ++a) {
    int32_t object = input.assignments[image][static_cast<size_t>(a)];
    positives += object >= 0;
    if (object != assigned_background) continue;
    int64_t row = static_cast<int64_t>(image) * anchors + a;
    const float* x = logits.data_ptr<float>() + row * columns;
    float largest = *std::max_element(x, x + columns), sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += std::exp(x[c] - largest);
    losses.emplace_back(x[0] - largest - std::log(sum), row);  // the most wrong first
  }
  auto wanted =
      std::min<size_t>(losses.size(), static_cast<size_t>(std::max(negatives_each * positives, least_negatives)));
  std::partial_sort(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(wanted), losses.end());
  for (size_t i = 0; i < wanted; ++i) rows.push_back(losses[i].second);
}

at::Tensor encoded(const LossInput& input, const Positives& positives) {
  std::vector<float> values;
  const float* table = input.anchors.data_ptr<float>();
  for (size_t i = 0; i < positives.rows.size(); ++i) {
    const float* a = table + 4 * (positives.rows[i] % input.anchors.size(0));
    const float* b = &positives.boxes[4 * i];
    for (float value : encode_box(input.head.kind, {a[0], a[1], a[2], a[3]}, {b[0], b[1], b[2], b[3]}))
      values.push_back(value);
  }
  return at::tensor(at::ArrayRef<float>(values)).reshape({-1, 4});
}

/// What losses are divided by: counts over the whole batch.
struct Counts {
  Counts(const LossInput& input, int64_t own_positives, int64_t own_negatives = 0) {
    double values[] = {static_cast<double>(input.assignments.size()), static_cast<double>(own_positives),
                       static_cast<double>(own_negatives)};
    input.parts.sum(values);
    images = values[0], positives = values[1], negatives = values[2];
  }
  double images = 0, positives = 0, negatives = 0;
};

}  // namespace

at::Tensor decode_boxes(HeadKind kind, const at::Tensor& raw, const at::Tensor& anchors) {
  at::Tensor center = anchors.narrow(1, 0, 2), size = anchors.narrow(1, 2, 2);
  auto grown = [](const at::Tensor& exponent) { return exponent.clamp_max(max_box_exponent).exp(); };
  if (kind == HeadKind::atss) {
    at::Tensor distances = grown(raw);
    return at::cat({center - distances.narrow(1, 0, 2) * size / 2, center + distances.narrow(1, 2, 2) * size / 2}, 1);
  }
  auto [offset_scale, size_scale] = box_variances(kind);
  center = center + raw.narrow(1, 0, 2) * offset_scale * size;
  at::Tensor half = size * grown(raw.narrow(1, 2, 2) * size_scale) / 2;
  return at::cat({center - half, center + half}, 1);
}

/// Liu et al. 2016, equations 1 to 3: (softmax cross-entropy + smooth L1) / positives.
at::Tensor ssd_loss(const LossInput& input) {
  at::Tensor logits = flat(input.logits), values = logits.detach().contiguous();
  Positives positives = positives_of(input);
  std::vector<int64_t> rows = positives.rows, targets;
  for (int64_t label : positives.labels) targets.push_back(label + 1);
  for (size_t image = 0; image < input.assignments.size(); ++image) mine(input, values, image, rows);
  int64_t negatives = static_cast<int64_t>(rows.size()) - positives.count();
  targets.resize(rows.size(), 0);
  at::Tensor sum =
      at::cross_entropy_loss(logits.index_select(0, tensor_of(rows)), tensor_of(targets), {}, at::Reduction::Sum);
  if (positives.count() > 0)
    sum = sum + at::smooth_l1_loss(flat(input.boxes).index_select(0, tensor_of(positives.rows)),
                                   encoded(input, positives), at::Reduction::Sum);
  Counts counts(input, positives.count(), negatives);
  return sum * (counts.images / std::max({1.0, counts.positives, counts.negatives / negatives_each}));
}

/// Quality focal loss over all points, 2 * GIoU over those with objects, both / positives.
at::Tensor atss_loss(const LossInput& input) {
  constexpr double box_weight = 2;
  at::Tensor logits = flat(input.logits), targets = at::zeros_like(logits.detach());
  Positives positives = positives_of(input);
  at::Tensor box_loss = at::zeros({}, at::kFloat);
  if (positives.count() > 0) {
    at::Tensor rows = tensor_of(positives.rows), wanted = target_boxes(positives);
    at::Tensor boxes = decode_boxes(input.head.kind, flat(input.boxes).index_select(0, rows), anchors_at(input, rows));
    targets.index_put_({rows, tensor_of(positives.labels)}, paired_iou(boxes.detach(), wanted));
    box_loss = giou_loss(boxes, wanted).sum();
  }
  Counts counts(input, positives.count());
  return (quality_focal_loss(logits, targets, row_weights(input)) + box_weight * box_loss) *
         (counts.images / std::max(counts.images, counts.positives));
}

/// Ge et al. 2021: cross-entropy of the objectness of all points and of the classes (times IoU) of those with objects,
/// 5 * (1 - IoU^2), all / positives.
at::Tensor yolox_loss(const LossInput& input) {
  constexpr double box_weight = 5;
  constexpr double usual_positives = 10;  // about one object; keeps images of background from counting for more
  at::Tensor objectness = flat(input.objectness), present = at::zeros_like(objectness.detach());
  Positives positives = positives_of(input);
  at::Tensor sum = at::zeros({}, at::kFloat);
  if (positives.count() > 0) {
    at::Tensor rows = tensor_of(positives.rows), wanted = target_boxes(positives);
    at::Tensor boxes = decode_boxes(input.head.kind, flat(input.boxes).index_select(0, rows), anchors_at(input, rows));
    at::Tensor overlap = paired_iou(boxes, wanted), logits = flat(input.logits).index_select(0, rows);
    at::Tensor targets = at::zeros_like(logits.detach());
    targets.scatter_(1, tensor_of(positives.labels).unsqueeze(1), overlap.detach().unsqueeze(1));
    present.index_fill_(0, rows, 1);
    sum = at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::Sum) +
          box_weight * (1 - overlap * overlap).sum();
  }
  c10::optional<at::Tensor> weights;
  if (at::Tensor counted = row_weights(input); counted.defined()) weights = counted;
  sum = sum + at::binary_cross_entropy_with_logits(objectness, present, weights, {}, at::Reduction::Sum);
  Counts counts(input, positives.count());
  return sum * (counts.images / std::max(usual_positives * counts.images, counts.positives));
}

}  // namespace hone
