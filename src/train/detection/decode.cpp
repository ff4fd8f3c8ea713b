#include "train/detection/decode.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hone {

namespace {

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// By what the anchors to look at are chosen: grows with the largest score of a class (for SSD with its odds against
/// background) and needs no exponentials of all classes.
float rank_of(const DetectorHead& head, const RawOutputs& raw, size_t anchor) {
  auto columns = static_cast<size_t>(head.columns());
  const float* logits = raw.logits + anchor * columns;
  float largest = *std::max_element(logits + (head.kind == HeadKind::ssd), logits + columns);
  if (head.kind == HeadKind::ssd) return largest - logits[0];
  return raw.objectness ? sigmoid(largest) * sigmoid(raw.objectness[anchor]) : largest;
}

/// The anchors of the highest rank, the best first.
std::vector<size_t> best_anchors(const DetectorHead& head, const RawOutputs& raw, size_t anchors, size_t wanted) {
  std::vector<float> rank(anchors);
  for (size_t i = 0; i < anchors; ++i) rank[i] = rank_of(head, raw, i);
  std::vector<size_t> order(anchors);
  std::iota(order.begin(), order.end(), size_t{0});
  wanted = std::min(wanted, anchors);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(wanted), order.end(),
                    [&](size_t a, size_t b) { return rank[a] != rank[b] ? rank[a] > rank[b] : a < b; });
  order.resize(wanted);
  return order;
}

/// The scores of an anchor's classes.
void score_anchor(const DetectorHead& head, const RawOutputs& raw, size_t anchor, float* out) {
  auto classes = static_cast<size_t>(head.classes), columns = static_cast<size_t>(head.columns());
  const float* logits = raw.logits + anchor * columns;
  if (head.kind == HeadKind::ssd) {
    float largest = *std::max_element(logits, logits + columns), sum = 0;
    for (size_t c = 0; c < columns; ++c) sum += std::exp(logits[c] - largest);
    for (size_t c = 0; c < classes; ++c) out[c] = std::exp(logits[c + 1] - largest) / sum;
  } else {
    float present = raw.objectness ? sigmoid(raw.objectness[anchor]) : 1;
    for (size_t c = 0; c < classes; ++c) out[c] = sigmoid(logits[c]) * present;
  }
}

}  // namespace

std::vector<float> head_scores(const DetectorHead& head, const RawOutputs& raw) {
  auto anchors = static_cast<size_t>(head.anchor_count()), classes = static_cast<size_t>(head.classes);
  std::vector<float> scores(anchors * classes);
  for (size_t i = 0; i < anchors; ++i) score_anchor(head, raw, i, &scores[i * classes]);
  return scores;
}

std::vector<DecodedBox> decode_detections(const DetectorHead& head, const std::vector<Anchor>& anchors,
                                          const RawOutputs& raw, const DetectorOptions& options) {
  auto classes = static_cast<size_t>(head.classes);
  std::vector<size_t> candidates = best_anchors(head, raw, anchors.size(), static_cast<size_t>(options.candidates));
  std::vector<float> scores(candidates.size() * classes);
  for (size_t k = 0; k < candidates.size(); ++k) score_anchor(head, raw, candidates[k], &scores[k * classes]);
  std::vector<Corners> boxes;
  for (size_t i : candidates) boxes.push_back(decode_box(head.kind, anchors[i], raw.boxes + 4 * i));
  std::vector<DecodedBox> found;
  for (size_t c = 0; c < classes; ++c) {
    std::vector<size_t> order, kept;
    auto score = [&](size_t k) { return scores[k * classes + c]; };
    for (size_t k = 0; k < candidates.size(); ++k)
      if (score(k) > static_cast<float>(options.score_threshold)) order.push_back(k);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score(a) > score(b); });
    for (size_t k : order) {
      if (kept.size() >= static_cast<size_t>(options.max_per_class)) break;
      bool hidden = std::any_of(kept.begin(), kept.end(), [&](size_t better) {
        return iou(boxes[better], boxes[k]) > static_cast<float>(options.nms_iou);
      });
      if (hidden) continue;
      kept.push_back(k);
      found.push_back({static_cast<int>(c), score(k), boxes[k]});
    }
  }
  return found;
}

}  // namespace hone
