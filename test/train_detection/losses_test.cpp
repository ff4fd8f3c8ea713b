#include "train/detection/losses.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "train/detection/objective.hpp"

namespace hone {
namespace {

at::Tensor boxes(std::initializer_list<float> values) {
  return at::tensor(at::ArrayRef<float>(values.begin(), values.size())).reshape({-1, 4});
}

TEST(QualityFocalLoss, IsItsEquation) {
  // |y - p|^2 * -(y log p + (1 - y) log(1 - p)) at p = 0.25 (logit -log 3), y = 0.75, and at p = 0.5, y = 0.
  at::Tensor logits = at::tensor({-std::log(3.0f), 0.0f}).reshape({2, 1}),
             targets = at::tensor({0.75f, 0.0f}).reshape({2, 1});
  double first = 0.25 * -(0.75 * std::log(0.25) + 0.25 * std::log(0.75)), second = 0.25 * -std::log(0.5);
  EXPECT_NEAR(quality_focal_loss(logits, targets, {}).item<float>(), first + second, 1e-6);
  at::Tensor weights = at::tensor({1.0f, 0.0f}).reshape({2, 1});
  EXPECT_NEAR(quality_focal_loss(logits, targets, weights).item<float>(), first, 1e-6);
}

TEST(GiouLoss, IsItsEquation) {
  // Equal; half overlapping (IoU 1/3, hull full); apart by their own size (IoU 0, a third of the hull empty).
  at::Tensor a = boxes({0, 0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2}), b = boxes({0, 0, 2, 2, 1, 0, 3, 2, 4, 0, 6, 2});
  at::Tensor loss = giou_loss(a, b), overlap = paired_iou(a, b);
  EXPECT_NEAR(loss[0].item<float>(), 0, 1e-5);
  EXPECT_NEAR(loss[1].item<float>(), 1 - 1.0 / 3, 1e-5);
  EXPECT_NEAR(loss[2].item<float>(), 1 + 1.0 / 3, 1e-5);
  EXPECT_NEAR(overlap[1].item<float>(), 1.0 / 3, 1e-5);
  EXPECT_EQ(overlap[2].item<float>(), 0);
}

TEST(DecodeBoxes, IsThePlainDecodingWithGradients) {
  for (HeadKind kind : {HeadKind::ssd, HeadKind::atss, HeadKind::yolox}) {
    at::Tensor raw = at::tensor({0.3f, -0.7f, 0.9f, 99.0f}).reshape({1, 4}).requires_grad_(true);
    at::Tensor box = decode_boxes(kind, raw, boxes({20, 30, 10, 40}));
    Corners plain = decode_box(kind, {20, 30, 10, 40}, raw.data_ptr<float>());
    EXPECT_NEAR(box[0][0].item<float>(), plain.left, 1e-4) << name_of(kind);
    EXPECT_NEAR(box[0][1].item<float>(), plain.top, std::abs(plain.top) * 1e-5) << name_of(kind);
    EXPECT_NEAR(box[0][2].item<float>(), plain.right, 1e-4) << name_of(kind);
    box.sum().backward();
    EXPECT_TRUE(std::isfinite(raw.grad().sum().item<float>()));
  }
}

/// Four anchors in a row, two classes; outputs of zeros.
struct LossCase {
  explicit LossCase(HeadKind kind, size_t images) : head{kind, 2, 8, 32, {{1, 4, 8, {{8, 8}}}}} {
    for (const Anchor& a : anchors_of(head)) table.push_back(a.x), table.insert(table.end(), {a.y, a.width, a.height});
    anchors = at::tensor(at::ArrayRef<float>(table)).reshape({4, 4});
    auto n = static_cast<int64_t>(images);
    logits = at::zeros({n, 4, head.columns()}).requires_grad_(true);
    raw = at::zeros({n, 4, 4}).requires_grad_(true);
    objectness = at::zeros({n, 4, 1}).requires_grad_(true);
    objects.resize(images);
    assignments.assign(images, Assignment(4, assigned_background));
  }
  LossInput input() { return {head, anchors, logits, raw, objectness, objects, assignments}; }

  DetectorHead head;
  std::vector<float> table;
  at::Tensor anchors, logits, raw, objectness;
  std::vector<MatchObjects> objects;
  std::vector<Assignment> assignments;
};

TEST(SsdLoss, CountsPositivesAndHardNegatives) {
  LossCase c(HeadKind::ssd, 1);
  c.objects[0] = {{{8, 0, 16, 8}}, {1}, {}};
  c.assignments[0] = {assigned_background, 0, assigned_nothing, assigned_background};
  at::Tensor loss = ssd_loss(c.input());
  // One positive and two negatives with log 3 each; the box is exactly the anchor. One positive: divided by 1.
  EXPECT_NEAR(loss.item<float>(), 3 * std::log(3.0), 1e-5);
  loss.backward();
  at::Tensor g = c.logits.grad();
  EXPECT_NEAR(g[0][1][2].item<float>(), 1.0 / 3 - 1, 1e-5);  // class 1 is column 2
  EXPECT_NEAR(g[0][0][0].item<float>(), 1.0 / 3 - 1, 1e-5);
  EXPECT_EQ(g[0][2].abs().sum().item<float>(), 0);
}

TEST(SsdLoss, MovesBoxesBySmoothL1) {
  LossCase c(HeadKind::ssd, 1);
  c.objects[0] = {{{8.4f, 0, 16.4f, 8}}, {0}, {}};  // 0.4 pixels to the right: 0.4 / 8 / 0.1 = 0.5
  c.assignments[0][1] = 0;
  double classes = 4 * std::log(3.0);
  EXPECT_NEAR(ssd_loss(c.input()).item<float>(), classes + 0.5 * 0.25, 1e-4);
}

TEST(SsdLoss, AnImageWithoutObjectsIsBackground) {
  LossCase c(HeadKind::ssd, 2);
  ssd_loss(c.input()).backward();
  EXPECT_LT(c.logits.grad()[0][0][0].item<float>(), 0);
  EXPECT_EQ(c.raw.grad().defined() ? c.raw.grad().abs().sum().item<float>() : 0, 0);
}

TEST(AtssLoss, RewardsTheIou) {
  LossCase c(HeadKind::atss, 1);
  c.objects[0] = {{{8, 0, 16, 8}}, {0}, {}};
  c.assignments[0] = {assigned_background, 0, assigned_nothing, assigned_background};
  at::Tensor loss = atss_loss(c.input());
  // p = 0.5 everywhere: 0.25 * log 2 for the one with IoU 1, its other class and four of background; no GIoU loss.
  EXPECT_NEAR(loss.item<float>(), 6 * 0.25 * std::log(2.0), 1e-4);
  loss.backward();
  EXPECT_LT(c.logits.grad()[0][1][0].item<float>(), 0);
  EXPECT_GT(c.logits.grad()[0][1][1].item<float>(), 0);
  EXPECT_EQ(c.logits.grad()[0][2].abs().sum().item<float>(), 0);
}

TEST(YoloxLoss, IsObjectnessClassAndIou) {
  LossCase c(HeadKind::yolox, 1);
  c.objects[0] = {{{8, 0, 24, 8}}, {1}, {}};  // twice as wide as the anchor: IoU 1/2
  c.assignments[0] = {assigned_background, 0, assigned_nothing, assigned_background};
  double cross = -std::log(0.5);
  double wanted = (3 * cross + 2 * cross + 5 * (1 - 0.25)) / 10;
  EXPECT_NEAR(yolox_loss(c.input()).item<float>(), wanted, 1e-4);
}

}  // namespace
}  // namespace hone
