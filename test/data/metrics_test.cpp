#include "data/metrics.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "data/metrics/hierarchy.hpp"
#include "data/metrics/multi_label.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ConfusionMatrix, KnownValues) {
  ConfusionMatrix matrix(3);
  for (auto [truth, predicted] : {std::pair{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 0}}) matrix.add(truth, predicted);
  EXPECT_EQ(matrix.total(), 5);
  EXPECT_EQ(matrix.at(0, 1), 1);
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.6);
  auto scores = matrix.per_class();
  EXPECT_DOUBLE_EQ(scores[0].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[1].f1, 0.5);
  EXPECT_EQ(scores[2].support, 0);
  EXPECT_DOUBLE_EQ(scores[2].f1, 0);
  EXPECT_DOUBLE_EQ(matrix.balanced_accuracy(), (2.0 / 3 + 0.5) / 2);  // the class that never occurs does not count
  EXPECT_DOUBLE_EQ(matrix.macro_f1(), (2.0 / 3 + 0.5) / 2);
  EXPECT_THAT(error_of([&] { matrix.add(3, 0); }), HasSubstr("number of classes, 3"));
  EXPECT_DOUBLE_EQ(ConfusionMatrix(2).accuracy(), 0);
}

TEST(Softmax, IsStable) {
  auto p = softmax(std::vector<float>{1000, 1000, -1000});
  EXPECT_FLOAT_EQ(p[0], 0.5f);
  EXPECT_FLOAT_EQ(p[2], 0);
  float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(softmax(std::vector<float>{infinity, 1}), ElementsAre(1.0f, 0.0f));
  Tensor rows = softmax(Tensor::of<float>({2, 2, 1, 1}, {0, 0, 0, std::log(3.0f)}));
  EXPECT_EQ(rows.dims(), (Dims{2, 2}));
  EXPECT_NEAR(rows.to_floats()[3], 0.75, 1e-6);
}

TEST(TopK, OrderTiesAndNan) {
  std::vector<float> values{1, 3, 3, std::nanf(""), 2};
  EXPECT_THAT(top_k(values, 3), ElementsAre(1, 2, 4));
  EXPECT_EQ(top_k(values, 9).size(), 5u);
  EXPECT_EQ(argmax(values), 1);
  EXPECT_EQ(argmax(std::vector<float>{std::nanf(""), -1}), 1);
  EXPECT_EQ(argmax({}), -1);
}

TEST(Accuracy, TopKAndAgreement) {
  Tensor scores = Tensor::of<float>({3, 3}, {3, 2, 1, 1, 2, 3, 1, 3, 2});
  std::vector<int> labels{0, 1, 0};
  EXPECT_DOUBLE_EQ(top_k_accuracy(scores, labels, 1), 1.0 / 3);
  EXPECT_DOUBLE_EQ(top_k_accuracy(scores, labels, 2), 2.0 / 3);
  EXPECT_DOUBLE_EQ(confusion_matrix(scores, labels).accuracy(), 1.0 / 3);
  Tensor other = Tensor::of<float>({3, 3}, {3, 2, 1, 1, 4, 3, 1, 3, 2});
  EXPECT_DOUBLE_EQ(agreement(scores, other), 2.0 / 3);
  EXPECT_THAT(error_of([&] { top_k_accuracy(scores, std::vector<int>{1}, 1); }),
              HasSubstr("3 rows of scores but 1 labels"));
  EXPECT_THAT(error_of([&] { agreement(scores, Tensor::of<float>({1, 3}, {1, 2, 3})); }), HasSubstr("one shape"));
  EXPECT_THAT(error_of([&] { agreement(scores, Tensor::of<float>({3}, {1, 2, 3})); }), HasSubstr("[N, C]"));
}

TEST(MultiLabelCounts, KnownValues) {
  MultiLabelCounts counts(3, 0.5);
  auto add = [&](std::vector<float> probabilities, std::vector<int> labels) { counts.add(probabilities, labels); };
  add({0.9f, 0.1f, 0.5f}, {0, 2});  // all right: the threshold itself is an answer
  add({0.9f, 0.6f, 0.1f}, {0});     // one too many
  add({0.1f, 0.1f, 0.1f}, {0});     // one missing
  std::vector<ClassScore> scores = counts.per_class();
  EXPECT_DOUBLE_EQ(scores[0].precision, 1);
  EXPECT_DOUBLE_EQ(scores[0].recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].f1, 0.8);
  EXPECT_EQ(scores[1].support, 0);
  EXPECT_DOUBLE_EQ(counts.macro_f1(), 0.9) << "a class that never occurs does not count";
  EXPECT_DOUBLE_EQ(counts.micro().f1, 0.75);  // 3 right, 4 answers, 4 labels
  EXPECT_DOUBLE_EQ(counts.exact_match(), 1.0 / 3);
  EXPECT_THAT(error_of([&] { add({0, 0}, {}); }), HasSubstr("2 probabilities for 3 classes"));
  EXPECT_THAT(error_of([&] { add({0, 0, 0}, {3}); }), HasSubstr("is no class"));
}

TEST(ClassLevels, AreReadFromNames) {
  EXPECT_TRUE(levels_of_classes(std::vector<std::string>{"a", "b"}).empty());
  std::vector<ClassLevel> levels = levels_of_classes(std::vector<std::string>{"a/x/1", "a/x/2", "a/y", "b"});
  ASSERT_EQ(levels.size(), 2u);
  EXPECT_THAT(levels[0].names, ElementsAre("a", "b"));
  EXPECT_THAT(levels[0].group, ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(levels[1].names, ElementsAre("a/x", "a/y", "b"));
  EXPECT_THAT(levels[1].group, ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(group_probabilities(levels[0], std::vector<float>{0.25f, 0.25f, 0.125f, 0.375f}),
              ElementsAre(0.625f, 0.375f));
}

TEST(Sqnr, KnownValues) {
  EXPECT_NEAR(sqnr_db(std::vector<float>{10, 0}, std::vector<float>{9, 0}), 20, 1e-9);
  EXPECT_EQ(sqnr_db(std::vector<float>{1}, std::vector<float>{1}), std::numeric_limits<double>::infinity());
  EXPECT_THAT(error_of([] { sqnr_db(std::vector<float>{1}, std::vector<float>{1, 2}); }), HasSubstr("1 and 2"));
}

}  // namespace
}  // namespace hone
