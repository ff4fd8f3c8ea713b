#pragma once
#include <functional>
#include <span>
#include <vector>

#include "data/annotation.hpp"
#include "train/detection/head.hpp"

namespace hone {

/// The objects of one training image, in pixels of the network's input.
struct MatchObjects {
  std::vector<Corners> boxes;
  std::vector<int> labels;
  std::vector<Corners> ignored;  ///< crowds and difficult objects: neither to be found nor background
};
MatchObjects match_objects(const std::vector<Annotation>& objects);

/// For each anchor the object that it is to find, or one of these.
using Assignment = std::vector<int32_t>;
inline constexpr int32_t assigned_background = -1, assigned_nothing = -2;

/// Liu et al. 2016, section 2.2: each object gets the anchor that overlaps it most; any other anchor gets the object
/// that it overlaps most when their IoU is above `threshold`.
Assignment match_ssd(std::span<const Anchor> anchors, const MatchObjects& objects, float threshold = 0.5f);

/// Zhang et al. 2020, algorithm 1: candidates of an object are the `nearest` anchors of each level by distance of
/// centers; positive are those with IoU of at least mean + standard deviation of the candidates' and their center
/// inside the object. An anchor of several objects gets the one with the largest IoU. An object that would get none
/// gets its best candidate.
Assignment match_atss(const DetectorHead& head, std::span<const Anchor> anchors, const MatchObjects& objects,
                      int nearest = 9);

/// What a network says of one image, for matching by cost.
struct Predictions {
  std::span<const Corners> boxes;  ///< by anchor
  /// -log of the probability of `label` at an anchor, and -log(1 - p) of all the others: the classification cost.
  std::function<float(size_t anchor, int label)> class_cost;
};
/// SimOTA (Ge et al. 2021, section 2.1): candidates of an object are the anchors with their center inside it or
/// within 2.5 cells of its center, those where both hold first. It gets the k of least cost = classification + 3 *
/// -log(IoU), k being the sum of its ten largest IoUs (at least 1). An anchor wanted by several objects goes where its
/// cost is least.
Assignment match_sim_ota(std::span<const Anchor> anchors, const MatchObjects& objects, const Predictions& predictions);

/// Turns background that mostly lies in what is to be ignored into assigned_nothing.
void leave_out_ignored(std::span<const Anchor> anchors, const MatchObjects& objects, Assignment& assignment);

}  // namespace hone
