#include "train/schedule.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

TEST(Schedule, WarmsUpThenFollowsHalfACosine) {
  Schedule schedule{.peak = 1, .final_ratio = 0.1, .warmup = 4, .total = 104};
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(3), 0.8);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(4), 1);
  EXPECT_NEAR(schedule.learning_rate(54), 0.55, 1e-12);
  EXPECT_NEAR(schedule.learning_rate(104), 0.1, 1e-12);
  EXPECT_NEAR(schedule.learning_rate(1000), 0.1, 1e-12);
}

TEST(Schedule, ImagesGrowInStepsOf16) {
  EXPECT_EQ(training_size(128, 0.5, 0.6, 0), 64);
  EXPECT_EQ(training_size(128, 0.5, 0.6, 0.3), 96);
  EXPECT_EQ(training_size(128, 0.5, 0.6, 0.6), 128);
  EXPECT_EQ(training_size(128, 1, 0.6, 0), 128);
  EXPECT_EQ(training_size(100, 0.99, 0.6, 0.5), 96);
  EXPECT_EQ(training_size(24, 0.5, 0.5, 0), 16);
}

TEST(TimePlan, FitsTheLongestRunIntoTheTime) {
  TimePlan plan{.budget = 100,
                .elapsed = 20,
                .seconds_per_pixel = 1e-4,
                .validation_seconds = 1,
                .batches_per_epoch = 10,
                .batch_size = 10,
                .height = 10,
                .width = 20};  // 0.2 s a batch, 3 s an epoch
  EXPECT_NEAR(plan.remaining(10, 30), 6, 1e-9);
  EXPECT_NEAR(plan.remaining(15, 20), 2, 1e-9);
  int64_t total = plan.fit(10, 1000);
  EXPECT_LE(plan.elapsed + plan.remaining(10, total), 100);
  EXPECT_GT(plan.elapsed + plan.remaining(10, total + 1), 100);
  EXPECT_EQ(plan.fit(10, 50), 50);
  plan.elapsed = 200;
  EXPECT_EQ(plan.fit(10, 1000), 11) << "one more step when the time is over";
}

TEST(TimePlan, SmallImagesCostLess) {
  TimePlan plan{.budget = 1000,
                .seconds_per_pixel = 1e-6,
                .batches_per_epoch = 10,
                .batch_size = 10,
                .height = 128,
                .width = 128};
  double fixed = plan.remaining(0, 100);
  plan.start_ratio = 0.5;
  plan.growth = 0.5;
  EXPECT_LT(plan.remaining(0, 100), 0.85 * fixed);
}

}  // namespace
}  // namespace hone
