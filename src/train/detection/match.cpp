#include "train/detection/match.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace hone {

namespace {

bool inside(const Anchor& anchor, const Corners& box) {
  return anchor.x > box.left && anchor.x < box.right && anchor.y > box.top && anchor.y < box.bottom;
}

/// Anchors of one level around a point, the nearest `count` of them (by cell, all anchors of a cell).
void add_nearest(const HeadLevel& level, size_t first, std::span<const Anchor> anchors, float x, float y, int count,
                 std::vector<size_t>& found) {
  auto cell = [&](float position, int64_t cells) {
    return std::clamp<int64_t>(static_cast<int64_t>(std::floor(position / level.step)), 0, cells - 1);
  };
  // The nearest cells of an object whose center is in the image lie in this window, also in a corner or a thin map.
  int64_t reach = std::min(level.height, level.width) >= 4 ? 4 : count;
  int64_t row = cell(y, level.height), column = cell(x, level.width);
  auto per_cell = static_cast<int64_t>(level.anchors.size());
  std::vector<std::pair<float, size_t>> candidates;
  for (int64_t r = std::max<int64_t>(0, row - reach); r <= std::min(level.height - 1, row + reach); ++r)
    for (int64_t c = std::max<int64_t>(0, column - reach); c <= std::min(level.width - 1, column + reach); ++c)
      for (int64_t a = 0; a < per_cell; ++a) {
        size_t index = first + static_cast<size_t>((r * level.width + c) * per_cell + a);
        float dx = anchors[index].x - x, dy = anchors[index].y - y;
        candidates.emplace_back(dx * dx + dy * dy, index);
      }
  auto wanted = std::min(candidates.size(), static_cast<size_t>(count * per_cell));
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(wanted), candidates.end());
  for (size_t i = 0; i < wanted; ++i) found.push_back(candidates[i].second);
}

/// Mean plus (unbiased) standard deviation.
double adaptive_threshold(const std::vector<float>& overlaps) {
  double mean = 0, squares = 0;
  for (float value : overlaps) mean += value;
  mean /= static_cast<double>(overlaps.size());
  for (float value : overlaps) squares += (value - mean) * (value - mean);
  return mean + (overlaps.size() > 1 ? std::sqrt(squares / static_cast<double>(overlaps.size() - 1)) : 0);
}

}  // namespace

MatchObjects match_objects(const std::vector<Annotation>& objects) {
  MatchObjects result;
  for (const Annotation& object : objects) {
    Corners box{static_cast<float>(object.box.x), static_cast<float>(object.box.y),
                static_cast<float>(object.box.right()), static_cast<float>(object.box.bottom())};
    if (object.crowd || object.difficult) {
      result.ignored.push_back(box);
    } else {
      result.boxes.push_back(box);
      result.labels.push_back(object.label);
    }
  }
  return result;
}

void leave_out_ignored(std::span<const Anchor> anchors, const MatchObjects& objects, Assignment& assignment) {
  for (const Corners& ignored : objects.ignored)
    for (size_t i = 0; i < anchors.size(); ++i) {
      if (assignment[i] != assigned_background) continue;
      Corners box = anchors[i].corners();
      float width = std::min(box.right, ignored.right) - std::max(box.left, ignored.left);
      float height = std::min(box.bottom, ignored.bottom) - std::max(box.top, ignored.top);
      bool mostly = width > 0 && height > 0 && width * height > 0.5f * std::min(box.area(), ignored.area());
      if (mostly || inside(anchors[i], ignored)) assignment[i] = assigned_nothing;
    }
}

Assignment match_ssd(std::span<const Anchor> anchors, const MatchObjects& objects, float threshold) {
  Assignment assignment(anchors.size(), assigned_background);
  std::vector<float> best(anchors.size(), threshold);
  std::vector<size_t> favorite(objects.boxes.size(), anchors.size());
  for (size_t g = 0; g < objects.boxes.size(); ++g) {
    float most = 0;
    for (size_t i = 0; i < anchors.size(); ++i) {
      float overlap = iou(anchors[i].corners(), objects.boxes[g]);
      if (overlap > best[i]) best[i] = overlap, assignment[i] = static_cast<int32_t>(g);
      // Each favorite belongs to one object: objects come in their order, each with the best anchor that is left.
      bool taken = overlap > most && std::find(favorite.begin(), favorite.begin() + static_cast<std::ptrdiff_t>(g),
                                               i) != favorite.begin() + static_cast<std::ptrdiff_t>(g);
      if (overlap > most && !taken) most = overlap, favorite[g] = i;
    }
  }
  for (size_t g = 0; g < favorite.size(); ++g)
    if (favorite[g] < anchors.size()) assignment[favorite[g]] = static_cast<int32_t>(g);
  leave_out_ignored(anchors, objects, assignment);
  return assignment;
}

Assignment match_atss(const DetectorHead& head, std::span<const Anchor> anchors, const MatchObjects& objects,
                      int nearest) {
  Assignment assignment(anchors.size(), assigned_background);
  std::vector<float> best(anchors.size(), -1);
  std::vector<size_t> candidates;
  std::vector<float> overlaps;
  for (size_t g = 0; g < objects.boxes.size(); ++g) {
    const Corners& box = objects.boxes[g];
    float x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    candidates.clear(), overlaps.clear();
    size_t first = 0;
    for (const HeadLevel& level : head.levels) {
      add_nearest(level, first, anchors, x, y, nearest, candidates);
      first += static_cast<size_t>(level.height * level.width) * level.anchors.size();
    }
    if (candidates.empty()) continue;
    for (size_t i : candidates) overlaps.push_back(iou(anchors[i].corners(), box));
    auto threshold = static_cast<float>(adaptive_threshold(overlaps));
    bool any = false;
    auto take = [&](size_t c) {
      size_t i = candidates[c];
      any = true;
      if (overlaps[c] > best[i]) best[i] = overlaps[c], assignment[i] = static_cast<int32_t>(g);
    };
    for (size_t c = 0; c < candidates.size(); ++c)
      if (overlaps[c] >= threshold && inside(anchors[candidates[c]], box)) take(c);
    if (!any) take(static_cast<size_t>(std::max_element(overlaps.begin(), overlaps.end()) - overlaps.begin()));
  }
  leave_out_ignored(anchors, objects, assignment);
  return assignment;
}

Assignment match_sim_ota(std::span<const Anchor> anchors, const MatchObjects& objects, const Predictions& predictions) {
  constexpr float center_radius = 2.5f, outside_cost = 1e5f, least_iou = 1e-8f;
  Assignment assignment(anchors.size(), assigned_background);
  std::vector<float> least(anchors.size(), std::numeric_limits<float>::infinity());
  std::vector<std::pair<float, size_t>> costs;
  for (size_t g = 0; g < objects.boxes.size(); ++g) {
    const Corners& box = objects.boxes[g];
    float x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    costs.clear();
    std::array<float, 10> largest{};  // IoUs, the smallest first
    for (size_t i = 0; i < anchors.size(); ++i) {
      const Anchor& a = anchors[i];
      bool in_box = inside(a, box);
      bool near = std::abs(a.x - x) < center_radius * a.width && std::abs(a.y - y) < center_radius * a.height;
      if (!in_box && !near) continue;
      float overlap = iou(predictions.boxes[i], box);
      if (overlap > largest[0]) {
        largest[0] = overlap;
        std::sort(largest.begin(), largest.end());
      }
      float cost = predictions.class_cost(i, objects.labels[g]) - 3 * std::log(std::max(overlap, least_iou));
      costs.emplace_back(in_box && near ? cost : cost + outside_cost, i);
    }
    float sum = 0;
    for (float value : largest) sum += value;
    auto k = std::min(costs.size(), static_cast<size_t>(std::max(1.0f, sum)));
    std::partial_sort(costs.begin(), costs.begin() + static_cast<std::ptrdiff_t>(k), costs.end());
    for (size_t c = 0; c < k; ++c)
      if (auto [cost, i] = costs[c]; cost < least[i]) least[i] = cost, assignment[i] = static_cast<int32_t>(g);
  }
  leave_out_ignored(anchors, objects, assignment);
  return assignment;
}

}  // namespace hone
