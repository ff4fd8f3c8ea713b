#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "data/metrics/detection.hpp"
#include "data/metrics/segmentation.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// ---- An oracle of COCO's average precision written from its definition: no sharing of work, no early exits.

struct Rule {
  double iou, low, high;
  size_t limit;
};

struct Result {
  double precision = -1, recall = -1;
};

double pixels_shared(const Rle& a, const Rle& b) {
  auto x = decode_rle(a).to_ints(), y = decode_rle(b).to_ints();
  double n = 0;
  for (size_t i = 0; i < x.size(); ++i) n += x[i] && y[i];
  return n;
}

/// The thresholds and recalls as numpy's linspace rounds them.
double threshold(int t) { return t == 9 ? 0.95 : 0.5 + t * ((0.95 - 0.5) / 9); }
double recall_step(int step) { return step == 100 ? 1.0 : step * 0.01; }

double overlap(const Detection& d, const Annotation& g, bool masks, int height, int width) {
  static std::map<std::pair<std::vector<uint32_t>, const Annotation*>, double> known;  // decoding is slow
  if (masks)
    if (auto found = known.find({d.mask.counts, &g}); found != known.end()) return found->second;
  double common, mine, theirs;
  if (masks) {
    Rle truth = mask_of(g, height, width);
    common = pixels_shared(d.mask, truth), mine = pixels_shared(d.mask, d.mask), theirs = pixels_shared(truth, truth);
  } else {
    double w = std::min(d.box.x + d.box.w, g.box.x + g.box.w) - std::max(d.box.x, g.box.x);
    double h = std::min(d.box.y + d.box.h, g.box.y + g.box.h) - std::max(d.box.y, g.box.y);
    common = std::max(w, 0.0) * std::max(h, 0.0), mine = d.box.w * d.box.h, theirs = g.box.w * g.box.h;
  }
  double value = common / (g.crowd ? mine : mine + theirs - common);
  if (masks) known[{d.mask.counts, &g}] = value;
  return value;
}

Result oracle(const Dataset& truth, const std::vector<Detection>& all, int label, const Rule& rule, bool masks) {
  struct Row {
    double score;
    bool right;
  };
  std::vector<Row> rows;
  double wanted = 0;
  for (int image = 0; image < static_cast<int>(truth.samples.size()); ++image) {
    const Sample& sample = truth.samples[static_cast<size_t>(image)];
    std::vector<Detection> mine;
    for (const Detection& d : all)
      if (d.image == image && d.label == label) mine.push_back(d);
    std::stable_sort(mine.begin(), mine.end(), [](auto& a, auto& b) { return a.score > b.score; });
    mine.resize(std::min<size_t>(mine.size(), 100));
    std::vector<const Annotation*> counted, ignored;
    for (const Annotation& g : sample.objects) {
      if (g.label != label) continue;
      double size = g.area > 0 ? g.area
                    : masks    ? static_cast<double>(area(mask_of(g, sample.size.height, sample.size.width)))
                               : g.box.area();
      (g.crowd || size < rule.low || size > rule.high ? ignored : counted).push_back(&g);
    }
    wanted += static_cast<double>(counted.size());
    std::vector<const Annotation*> used;
    auto best_of = [&](const Detection& d, const std::vector<const Annotation*>& list) {
      const Annotation* best = nullptr;
      double most = std::min(rule.iou, 1 - 1e-10);
      for (const Annotation* g : list) {
        if (!g->crowd && std::count(used.begin(), used.end(), g)) continue;
        double value = overlap(d, *g, masks, sample.size.height, sample.size.width);
        if (value >= most) most = value, best = g;
      }
      return best;
    };
    for (size_t i = 0; i < mine.size(); ++i) {
      double size = masks ? static_cast<double>(area(mine[i].mask)) : mine[i].box.area();
      const Annotation* hit = best_of(mine[i], counted);
      const Annotation* skip = hit ? nullptr : best_of(mine[i], ignored);
      if (hit) used.push_back(hit);
      if (skip) used.push_back(skip);
      if (skip || (!hit && (size < rule.low || size > rule.high)) || i >= rule.limit) continue;
      rows.push_back({mine[i].score, hit != nullptr});
    }
  }
  if (wanted == 0) return {};
  std::stable_sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.score > b.score; });
  Result result{0, 0};
  for (int step = 0; step <= 100; ++step) {
    double best = 0, right = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      right += rows[i].right;
      if (right / wanted >= recall_step(step)) best = std::max(best, right / static_cast<double>(i + 1));
      result.recall = std::max(result.recall, right / wanted);
    }
    result.precision += best / 101;
  }
  return result;
}

struct Mean {
  double sum = 0;
  int count = 0;
  void add(double value) {
    if (value >= 0) sum += value, ++count;
  }
  double value() const { return count ? sum / count : -1; }
};

void random_case(Rng& rng, bool masks, Dataset& truth, std::vector<Detection>& detections) {
  truth.task = Task::detection;
  truth.classes = {"a", "b", "c"};
  auto random_box = [&] {
    double side = std::exp(rng.uniform(std::log(6), std::log(150)));
    return Box{std::floor(rng.uniform(0, 200 - side)), std::floor(rng.uniform(0, 160 - std::min(side, 150.0))),
               std::ceil(side), std::ceil(side * rng.uniform(0.5, 1))};
  };
  for (int image = 0; image < 12; ++image) {
    Sample sample;
    sample.size = {170, 360};
    for (uint32_t i = rng.below(7); i > 0; --i) {
      Annotation object{.label = static_cast<int>(rng.below(2)), .box = random_box(), .crowd = rng.chance(0.15)};
      if (rng.chance(0.5)) object.area = object.box.area() * 0.7;
      if (masks) {
        const Box& b = object.box;
        object.polygons = {{b.x, b.y, b.right(), b.y + b.h / 3, b.x + b.w / 2, b.bottom()}};
      }
      sample.objects.push_back(object);
      for (uint32_t j = rng.below(4); j > 0; --j) {
        Box b = object.box;
        b.x += std::round(rng.normal(0, b.w / 8)), b.w = std::max(2.0, b.w + std::round(rng.normal(0, b.w / 8)));
        b = clipped(b, 360, 170);
        if (b.w < 2) continue;
        int label = rng.chance(0.9) ? object.label : static_cast<int>(rng.below(3));
        Detection d{image, label, std::round(rng.uniform() * 20) / 20, b, {}};  // with ties
        if (masks)
          d.mask = mask_of(Annotation{.polygons = {{b.x, b.y, b.right(), b.y + b.h / 3, b.x + b.w / 2, b.bottom()}}},
                           170, 360);
        detections.push_back(d);
      }
    }
    truth.samples.push_back(sample);
  }
}

void compare(const Dataset& truth, const std::vector<Detection>& detections, bool masks) {
  CocoScores scores = coco_scores(truth, detections, masks);
  auto mean = [&](double low, double high, size_t limit, int only, bool recall) {
    Mean all;
    for (int label = 0; label < 3; ++label)
      for (int t = 0; t < 10; ++t) {
        if (only >= 0 && t != only) continue;
        Result r = oracle(truth, detections, label, {threshold(t), low, high, limit}, masks);
        all.add(recall ? r.recall : r.precision);
      }
    return all.value();
  };
  EXPECT_NEAR(scores.ap, mean(0, 1e10, 100, -1, false), 1e-9);
  EXPECT_NEAR(scores.ap50, mean(0, 1e10, 100, 0, false), 1e-9);
  EXPECT_NEAR(scores.ap75, mean(0, 1e10, 100, 5, false), 1e-9);
  EXPECT_NEAR(scores.ap_small, mean(0, 1024, 100, -1, false), 1e-9);
  EXPECT_NEAR(scores.ap_medium, mean(1024, 9216, 100, -1, false), 1e-9);
  EXPECT_NEAR(scores.ap_large, mean(9216, 1e10, 100, -1, false), 1e-9);
  EXPECT_NEAR(scores.ar1, mean(0, 1e10, 1, -1, true), 1e-9);
  EXPECT_NEAR(scores.ar10, mean(0, 1e10, 10, -1, true), 1e-9);
  EXPECT_NEAR(scores.ar100, mean(0, 1e10, 100, -1, true), 1e-9);
  EXPECT_NEAR(scores.ar_small, mean(0, 1024, 100, -1, true), 1e-9);
  EXPECT_EQ(scores.class_ap[2] < 0, true);  // no object of the third class
}

TEST(Coco, EqualsTheDefinitionOnRandomBoxes) {
  for (uint64_t round = 0; round < 4; ++round) {
    uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()) + round;
    SCOPED_TRACE(seed);
    Rng rng(seed);
    Dataset truth;
    std::vector<Detection> detections;
    random_case(rng, false, truth, detections);
    compare(truth, detections, false);
  }
}

TEST(Coco, EqualsTheDefinitionOnRandomMasks) {
  uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(seed);
  Rng rng(seed);
  Dataset truth;
  std::vector<Detection> detections;
  random_case(rng, true, truth, detections);
  truth.samples.resize(5);
  std::erase_if(detections, [](const Detection& d) { return d.image >= 5; });
  compare(truth, detections, true);
}

Dataset one_image(std::vector<Annotation> objects) {
  Dataset data;
  data.task = Task::detection;
  data.classes = {"a"};
  Sample sample;
  sample.size = {200, 200};
  sample.objects = std::move(objects);
  data.samples.push_back(sample);
  return data;
}

TEST(Coco, HandWorkedCase) {
  // Two objects, the first found exactly, then a wrong one, the second with IoU 80/100.
  Dataset truth = one_image({{.label = 0, .box = {0, 0, 10, 10}}, {.label = 0, .box = {50, 50, 10, 10}}});
  std::vector<Detection> found = {
      {0, 0, 0.9, {0, 0, 10, 10}, {}}, {0, 0, 0.8, {100, 100, 10, 10}, {}}, {0, 0, 0.7, {50, 50, 10, 8}, {}}};
  CocoScores scores = coco_scores(truth, found);
  double both = (51 + 50 * 2.0 / 3) / 101, one = 51.0 / 101;  // recall 0..0.50 at precision 1, then 2/3
  EXPECT_NEAR(scores.ap50, both, 1e-9);
  EXPECT_NEAR(scores.ap75, both, 1e-9);
  EXPECT_NEAR(scores.ap, (7 * both + 3 * one) / 10, 1e-9);
  EXPECT_NEAR(scores.ar1, 0.5, 1e-9);
  EXPECT_EQ(scores.ap_large, -1);
  EXPECT_THROW(coco_scores(truth, std::vector<Detection>{{0, 1, 1, {}, {}}}), Error);
}

TEST(Voc, BothMethodsAndDifficultObjects) {
  Dataset truth = one_image({{.label = 0, .box = {0, 0, 10, 10}},
                             {.label = 0, .box = {50, 50, 10, 10}},
                             {.label = 0, .box = {80, 80, 10, 10}, .difficult = true}});
  std::vector<Detection> found = {{0, 0, 0.9, {0, 0, 10, 10}, {}},
                                  {0, 0, 0.85, {80, 80, 10, 10}, {}},
                                  {0, 0, 0.8, {0, 0, 10, 10}, {}},
                                  {0, 0, 0.7, {50, 50, 10, 8}, {}}};
  VocScores scores = voc_scores(truth, found);
  EXPECT_NEAR(scores.map_area, 0.5 + 0.5 * 2 / 3, 1e-9);  // the second find of one object is wrong
  EXPECT_NEAR(scores.map_11_point, (6 + 5 * 2.0 / 3) / 11, 1e-9);
  EXPECT_NEAR(voc_scores(truth, found, 0.9).map_area, 0.5, 1e-9);
}

TEST(Segmentation, CountsPixelsOfAllImages) {
  SegmentationMatrix matrix(3);
  std::vector<uint8_t> truth = {0, 0, 1, 1, 255, 255}, answer = {0, 1, 1, 1, 0, 2};
  matrix.add(truth, answer);
  EXPECT_NEAR(matrix.pixel_accuracy(), 0.75, 1e-12);
  EXPECT_NEAR(matrix.mean_iou(), (0.5 + 2.0 / 3) / 2, 1e-12);
  EXPECT_NEAR(matrix.mean_dice(), (2.0 / 3 + 0.8) / 2, 1e-12);
  EXPECT_FALSE(matrix.per_class()[2].occurs);
  EXPECT_THROW(matrix.add(std::vector<uint8_t>{3}, std::vector<uint8_t>{0}), Error);
}

TEST(MultiLabel, AveragePrecision) {
  // Worked by hand; equal to scikit-learn's average_precision_score: 1/2 * 1 + 1/2 * 2/3.
  Tensor scores = Tensor::of<float>({3, 2}, {0.9f, 0, 0.8f, 0, 0.7f, 0});
  std::vector<std::vector<int>> labels = {{0}, {}, {0}};
  EXPECT_THAT(multi_label_precisions(scores, labels), ElementsAre(DoubleNear(0.5 + 1.0 / 3, 1e-9), -1));
  EXPECT_NEAR(multi_label_map(scores, labels), 0.5 + 1.0 / 3, 1e-9);
  Tensor tied = Tensor::of<float>({2, 1}, {0.5f, 0.5f});
  EXPECT_NEAR(multi_label_map(tied, std::vector<std::vector<int>>{{0}, {}}), 0.5, 1e-9);
}

TEST(Rle, TextAndPixelsAndPolygons) {
  // pycocotools' own answers: encode of a 3x3 mask with the middle set, and a triangle.
  Rle middle = encode_rle(Tensor::of<uint8_t>({3, 3}, {0, 0, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_THAT(middle.counts, ElementsAre(4, 1, 4));
  EXPECT_EQ(rle_to_text(middle), "414");
  Rle square = rasterize({{1, 1, 4, 1, 4, 3, 1, 3}}, 6, 6);
  EXPECT_EQ(area(square), 6);
  EXPECT_EQ(bounding_box(square), (Box{1, 1, 3, 2}));
  uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(seed);
  Rng rng(seed);
  for (int round = 0; round < 50; ++round) {
    int height = rng.between(1, 40), width = rng.between(1, 40);
    Tensor mask(DType::u8, {height, width}), other(DType::u8, {height, width});
    bool dense = rng.chance(0.5);
    for (uint8_t& v : mask.mutable_data<uint8_t>()) v = rng.chance(dense ? 0.9 : 0.05);
    for (uint8_t& v : other.mutable_data<uint8_t>()) v = rng.chance(0.5);
    Rle a = encode_rle(mask), b = encode_rle(other);
    EXPECT_TRUE(identical(decode_rle(a), mask));
    EXPECT_EQ(parse_rle(rle_to_text(a), height, width), a);
    EXPECT_EQ(static_cast<double>(intersection(a, b)), pixels_shared(a, b));
    EXPECT_EQ(area(united(a, b)), area(a) + area(b) - intersection(a, b));
    int left = width, right = -1;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        if (mask.data<uint8_t>()[static_cast<size_t>(y * width + x)])
          left = std::min(left, x), right = std::max(right, x);
    EXPECT_EQ(bounding_box(a).w, right < 0 ? 0 : right - left + 1);
  }
  for (const char* bad : {"", "4", "\x1f", "414x", "oooooooooooooooooooo"})
    EXPECT_THROW(parse_rle(bad, 3, 3), Error) << bad;
}

}  // namespace
}  // namespace hone
