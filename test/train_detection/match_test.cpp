#include "train/detection/match.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hone {
namespace {

/// One level of 4 x 4 cells of 8 pixels, squares of 16.
DetectorHead grid_head(float side = 16) { return {HeadKind::atss, 2, 32, 32, {{4, 4, 8, {{side, side}}}}}; }

std::vector<int> anchors_with(const Assignment& assignment, int32_t object) {
  std::vector<int> found;
  for (size_t i = 0; i < assignment.size(); ++i)
    if (assignment[i] == object) found.push_back(static_cast<int>(i));
  return found;
}

TEST(MatchObjects, CrowdsAndDifficultOnesAreIgnored) {
  std::vector<Annotation> list(3);
  list[0].label = 1, list[0].box = {1, 2, 3, 4};
  list[1].crowd = true;
  list[2].difficult = true;
  MatchObjects objects = match_objects(list);
  ASSERT_EQ(objects.boxes.size(), 1u);
  EXPECT_EQ(objects.boxes[0], (Corners{1, 2, 4, 6}));
  EXPECT_EQ(objects.labels[0], 1);
  EXPECT_EQ(objects.ignored.size(), 2u);
}

TEST(MatchSsd, TakesWhatOverlapsByHalf) {
  // Anchors 16 x 16 every 8 pixels; the object is 20 x 16 with its left side at that of anchor 5 (center 12, 12).
  std::vector<Anchor> anchors = anchors_of(grid_head());
  MatchObjects objects{{{4, 4, 24, 20}}, {0}, {}};
  // IoU with anchor 5: 16 * 16 / (20 * 16) = 0.8; anchor 6, 8 pixels further: 12 * 16 / (256 + 320 - 192) = 0.5, not
  // above it.
  EXPECT_THAT(anchors_with(match_ssd(anchors, objects, 0.5f), 0), testing::ElementsAre(5));
  EXPECT_THAT(anchors_with(match_ssd(anchors, objects, 0.49f), 0), testing::ElementsAre(5, 6));
}

TEST(MatchSsd, EveryObjectGetsAnAnchorOfItsOwn) {
  std::vector<Anchor> anchors = anchors_of(grid_head());
  // Two small objects at one place: the first takes the nearest anchor, the second the next best.
  MatchObjects objects{{{11, 11, 13, 13}, {11, 11, 13, 13}}, {0, 1}, {}};
  Assignment assignment = match_ssd(anchors, objects);
  EXPECT_EQ(anchors_with(assignment, 0).size(), 1u);
  EXPECT_EQ(anchors_with(assignment, 1).size(), 1u);
}

TEST(MatchSsd, ImagesWithoutObjectsAreBackground) {
  std::vector<Anchor> anchors = anchors_of(grid_head());
  for (int32_t value : match_ssd(anchors, {})) EXPECT_EQ(value, assigned_background);
}

TEST(Matching, BackgroundInACrowdCountsNeitherWay) {
  std::vector<Anchor> anchors = anchors_of(grid_head());
  MatchObjects objects{{{16, 16, 32, 32}}, {0}, {{0, 0, 14, 14}}};
  for (const Assignment& assignment : {match_ssd(anchors, objects), match_atss(grid_head(), anchors, objects, 4)}) {
    EXPECT_EQ(assignment[0], assigned_nothing);
    EXPECT_EQ(assignment[5], assigned_nothing);   // center 12, 12
    EXPECT_EQ(assignment[12], assigned_background);  // center 4, 28
    EXPECT_EQ(assignment[10], 0);  // exactly the object
  }
}

TEST(MatchAtss, ThresholdIsMeanPlusDeviation) {
  std::vector<Anchor> anchors = anchors_of(grid_head());
  // Centered on anchor 5: it has IoU 1; the 4 next to it at distance 8 have 8 * 16 / (512 - 128) = 1/3, the diagonal
  // ones 64 / 448 = 1/7. Mean (1 + 4/3 + 4/7) / 9 = 0.3228, deviation 0.267: only anchor 5.
  MatchObjects objects{{{4, 4, 20, 20}}, {0}, {}};
  EXPECT_THAT(anchors_with(match_atss(grid_head(), anchors, objects, 9), 0), testing::ElementsAre(5));
  // A large object: IoU of all candidates is nearly the same, those above the threshold inside it are positive.
  MatchObjects large{{{0, 0, 32, 32}}, {0}, {}};
  EXPECT_THAT(anchors_with(match_atss(grid_head(), anchors, large, 4), 0), testing::ElementsAre(5, 6, 9, 10));
}

TEST(MatchAtss, OverlappingObjectsGoByIouAndTinyOnesAreNotLost) {
  std::vector<Anchor> anchors = anchors_of(grid_head());
  MatchObjects objects{{{2, 2, 22, 22}, {4, 4, 20, 20}}, {0, 1}, {}};
  EXPECT_EQ(match_atss(grid_head(), anchors, objects, 9)[5], 1);
  MatchObjects tiny{{{15, 15, 17, 17}}, {0}, {}};  // no center inside
  EXPECT_EQ(anchors_with(match_atss(grid_head(), anchors, tiny, 9), 0).size(), 1u);
}

TEST(MatchAtss, FindsTheNearestOfEachLevel) {
  // Against a search through all anchors, on a thin map and objects in corners.
  DetectorHead head{HeadKind::atss, 1, 24, 160, {{3, 20, 8, {{32, 32}}}, {2, 10, 16, {{64, 64}}}}};
  std::vector<Anchor> anchors = anchors_of(head);
  for (Corners box : {Corners{0, 0, 30, 24}, Corners{100, 2, 160, 20}, Corners{60, 0, 110, 24}}) {
    float x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    std::vector<float> overlaps;
    std::vector<size_t> candidates;
    for (auto [first, last] : {std::pair<size_t, size_t>{0, 60}, {60, 80}}) {
      std::vector<std::pair<float, size_t>> order;
      for (size_t i = first; i < last; ++i)
        order.emplace_back(std::pow(anchors[i].x - x, 2) + std::pow(anchors[i].y - y, 2), i);
      std::sort(order.begin(), order.end());
      for (size_t i = 0; i < 9; ++i)
        candidates.push_back(order[i].second), overlaps.push_back(iou(anchors[order[i].second].corners(), box));
    }
    double mean = 0, square = 0;
    for (float value : overlaps) mean += value / 18;
    for (float value : overlaps) square += (value - mean) * (value - mean) / 17;
    std::vector<int> wanted;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const Anchor& a = anchors[candidates[i]];
      bool in = a.x > box.left && a.x < box.right && a.y > box.top && a.y < box.bottom;
      if (overlaps[i] >= static_cast<float>(mean + std::sqrt(square)) && in)
        wanted.push_back(static_cast<int>(candidates[i]));
    }
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(anchors_with(match_atss(head, anchors, {{box}, {0}, {}}), 0), wanted);
  }
}

/// Predictions that are the boxes given, with costs by anchor.
struct FakeNetwork {
  std::vector<Corners> boxes;
  std::vector<float> costs;
  Predictions predictions() const {
    return {boxes, [this](size_t anchor, int) { return costs[anchor]; }};
  }
};

TEST(MatchSimOta, TakesAsManyAsTheIousSay) {
  std::vector<Anchor> anchors = anchors_of(grid_head(8));
  MatchObjects objects{{{8, 8, 24, 24}}, {0}, {}};
  FakeNetwork network{std::vector<Corners>(16, Corners{100, 100, 101, 101}), std::vector<float>(16, 1.0f)};
  for (size_t i : {5, 6, 9}) network.boxes[i] = {8, 8, 24, 24};  // IoU 1 each: k = 3
  EXPECT_THAT(anchors_with(match_sim_ota(anchors, objects, network.predictions()), 0), testing::ElementsAre(5, 6, 9));
  network.boxes[9] = {8, 8, 24, 16};  // IoU 0.5: k = 2, the two with the least cost
  network.costs[5] = 10;              // worse than 1 + 3 * log 2
  EXPECT_THAT(anchors_with(match_sim_ota(anchors, objects, network.predictions()), 0), testing::ElementsAre(6, 9));
}

TEST(MatchSimOta, SharedAnchorsGoWhereTheCostIsLeastAndNobodyIsEmptyHanded) {
  std::vector<Anchor> anchors = anchors_of(grid_head(8));
  MatchObjects objects{{{8, 8, 24, 24}, {8, 8, 20, 20}}, {0, 1}, {}};
  FakeNetwork network{std::vector<Corners>(16, Corners{8, 8, 20, 20}), std::vector<float>(16, 1.0f)};
  Assignment assignment = match_sim_ota(anchors, objects, network.predictions());
  EXPECT_EQ(assignment[5], 1);  // IoU 1 with the second, 0.56 with the first
  FakeNetwork hopeless{std::vector<Corners>(16, Corners{}), std::vector<float>(16, 1.0f)};
  MatchObjects one{{{8, 8, 24, 24}}, {0}, {}};
  EXPECT_EQ(anchors_with(match_sim_ota(anchors, one, hopeless.predictions()), 0).size(), 1u);
}

TEST(MatchSimOta, PrefersTheMiddle) {
  // 12 x 12 cells of 8: an object over all of it; 2.5 cells around its center come first whatever the cost.
  DetectorHead head{HeadKind::yolox, 1, 96, 96, {{12, 12, 8, {{8, 8}}}}};
  std::vector<Anchor> anchors = anchors_of(head);
  FakeNetwork network{std::vector<Corners>(144, Corners{0, 0, 96, 96}), std::vector<float>(144, 5.0f)};
  network.costs[0] = 0;  // a corner
  Assignment assignment = match_sim_ota(anchors, {{{0, 0, 96, 96}}, {0}, {}}, network.predictions());
  EXPECT_EQ(assignment[0], assigned_background);
  EXPECT_EQ(anchors_with(assignment, 0).size(), 10u);
}

}  // namespace
}  // namespace hone
