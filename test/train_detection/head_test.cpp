#include "train/detection/head.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/random.hpp"

namespace hone {
namespace {

DetectorHead small_head(HeadKind kind) {
  return {kind, 2, 32, 48, {{4, 6, 8, {{16, 16}, {22.5f, 12}}}, {2, 3, 16, {{32, 32}}}}};
}

TEST(DetectorHead, SurvivesAsText) {
  for (HeadKind kind : {HeadKind::ssd, HeadKind::atss, HeadKind::yolox}) {
    DetectorHead head = parse_detector_head(to_string(small_head(kind)));
    EXPECT_EQ(to_string(head), to_string(small_head(kind)));
    EXPECT_EQ(head.kind, kind);
    EXPECT_EQ(head.levels[0].anchors[1], (std::array{22.5f, 12.0f}));
  }
  EXPECT_EQ(to_string(small_head(HeadKind::ssd)),
            "kind=ssd;classes=2;input=32x48;level=4x6:8:16x16,22.5x12;level=2x3:16:32x32");
}

TEST(DetectorHead, RefusesDamagedText) {
  for (const char* text :
       {"", "kind=ssd", "kind=other;classes=2;input=32x48;level=4x6:8:16x16",
        "kind=ssd;classes=-2;input=32x48;level=4x6:8:16x16", "kind=ssd;classes=2;input=32x48;level=4x6:8",
        "kind=ssd;classes=2;input=32x48;level=4x6:0:1x1", "kind=ssd;classes=2;input=32x48;level=4x6:nan:1x1",
        "kind=ssd;classes=2;input=32x48;level=4x6:8:16"})
    EXPECT_THROW(parse_detector_head(text), Error) << text;
}

TEST(DetectorHead, CountsAndPlacesAnchors) {
  DetectorHead head = small_head(HeadKind::ssd);
  EXPECT_EQ(head.anchor_count(), 4 * 6 * 2 + 2 * 3);
  EXPECT_EQ(head.columns(), 3);
  std::vector<Anchor> anchors = anchors_of(head);
  ASSERT_EQ(anchors.size(), 54u);
  EXPECT_EQ(anchors[0].x, 4);
  EXPECT_EQ(anchors[3].x, 12);  // the second anchor of the second cell
  EXPECT_EQ(anchors[3].width, 22.5f);
  EXPECT_EQ(anchors[48 + 5].x, 40);  // the last cell of the coarse level
  EXPECT_EQ(anchors[48 + 5].y, 24);
}

TEST(DetectorHead, FollowsTheSizeOfImages) {
  DetectorHead large = small_head(HeadKind::ssd).resized(64, 96);
  EXPECT_EQ(large.levels[0].height, 8);
  EXPECT_EQ(large.levels[1].width, 6);
  EXPECT_EQ(large.levels[0].anchors[0][0], 16);
  DetectorHead odd = small_head(HeadKind::ssd);
  odd.levels[1].step = 20;  // 48 pixels are no 3 cells of 20: nothing says how many cells other sizes have
  odd.levels[1].height = 1;
  EXPECT_THROW(odd.resized(64, 96), Error);
}

TEST(BoxCoding, DecodesByItsEquations) {
  Anchor anchor{20, 30, 10, 40};
  const float raw[4] = {0.5f, -1, 1, 0};
  auto expect = [&](HeadKind kind, const Corners& wanted) {
    Corners box = decode_box(kind, anchor, raw);
    EXPECT_NEAR(box.left, wanted.left, 1e-4) << name_of(kind);
    EXPECT_NEAR(box.top, wanted.top, 1e-4) << name_of(kind);
    EXPECT_NEAR(box.right, wanted.right, 1e-4) << name_of(kind);
    EXPECT_NEAR(box.bottom, wanted.bottom, 1e-4) << name_of(kind);
  };
  float half = 5 * std::exp(0.2f), e = std::exp(1.0f);
  expect(HeadKind::ssd, {20.5f - half, 26 - 20, 20.5f + half, 26 + 20});
  expect(HeadKind::yolox, {25 - 5 * e, -10 - 20, 25 + 5 * e, -10 + 20});
  expect(HeadKind::atss, {20 - 5 * std::exp(0.5f), 30 - 20 / e, 20 + 5 * e, 30 + 20});
}

TEST(BoxCoding, EncodingIsItsInverse) {
  Rng rng(3);
  for (HeadKind kind : {HeadKind::ssd, HeadKind::yolox})
    for (int i = 0; i < 50; ++i) {
      auto number = [&](double low, double high) { return static_cast<float>(rng.uniform(low, high)); };
      Anchor anchor{number(0, 100), number(0, 100), number(5, 50), number(5, 50)};
      Corners box{number(0, 50), number(0, 50), number(51, 120), number(51, 120)};
      Corners back = decode_box(kind, anchor, encode_box(kind, anchor, box).data());
      EXPECT_NEAR(back.left, box.left, 1e-3);
      EXPECT_NEAR(back.bottom, box.bottom, 1e-3);
      EXPECT_NEAR(back.area(), box.area(), 0.1);
    }
}

TEST(BoxCoding, AbsurdNumbersStayFinite) {
  const float raw[4] = {1e9f, 1e9f, 1e9f, 1e9f};
  for (HeadKind kind : {HeadKind::ssd, HeadKind::atss, HeadKind::yolox})
    EXPECT_TRUE(std::isfinite(decode_box(kind, {0, 0, 8, 8}, raw).area())) << name_of(kind);
}

}  // namespace
}  // namespace hone
