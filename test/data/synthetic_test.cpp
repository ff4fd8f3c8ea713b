#include "data/synthetic.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "base/file.hpp"
#include "data/data_checks.hpp"
#include "data/dataset.hpp"
#include "data/metrics.hpp"
#include "data/workers.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int side = 24;
constexpr int features = side * side + 1;

struct PixelSet {
  std::vector<std::array<float, features>> rows;
  std::vector<int> labels;
};

/// `count` renders of each class as 24x24 gray pixels (zero mean, with a constant feature for the bias).
PixelSet make_pixels(int count, uint64_t seed) {
  auto classes = static_cast<int>(part_classes().size());
  PixelSet set;
  set.rows.resize(static_cast<size_t>(count * classes));
  for (int i = 0; i < count * classes; ++i) set.labels.push_back(i % classes);
  run_tasks(count * classes, 0, "render", nullptr, [&](int64_t i) {
    auto label = static_cast<size_t>(set.labels[static_cast<size_t>(i)]);
    Tensor small = resize_image(render_part(part_classes()[label], 48, seed + static_cast<uint64_t>(i)), side, side);
    auto pixels = small.data<uint8_t>();
    auto& row = set.rows[static_cast<size_t>(i)];
    float mean = 0;
    for (size_t p = 0; p < side * side; ++p) {
      row[p] = static_cast<float>(pixels[p * 3] + pixels[p * 3 + 1] + pixels[p * 3 + 2]) / (3 * 64.0f);
      mean += row[p] / (side * side);
    }
    for (size_t p = 0; p < side * side; ++p) row[p] -= mean;
    row.back() = 1;
  });
  return set;
}

class LogisticRegression {
 public:
  /// Gradient descent on the cross entropy with weight decay.
  void fit(const PixelSet& set, int steps, float rate, float decay) {
    weights_.assign(part_classes().size() * features, 0);
    for (int step = 0; step < steps; ++step) {
      std::vector<float> gradient(weights_.size(), 0);
      for (size_t i = 0; i < set.rows.size(); ++i) {
        std::vector<float> error = softmax(scores(set.rows[i]));
        error[static_cast<size_t>(set.labels[i])] -= 1;
        for (size_t c = 0; c < error.size(); ++c)
          for (size_t f = 0; f < features; ++f) gradient[c * features + f] += error[c] * set.rows[i][f];
      }
      for (size_t w = 0; w < weights_.size(); ++w)
        weights_[w] -= rate * (gradient[w] / static_cast<float>(set.rows.size()) + decay * weights_[w]);
    }
  }
  double accuracy(const PixelSet& set) const {
    double right = 0;
    for (size_t i = 0; i < set.rows.size(); ++i) right += argmax(scores(set.rows[i])) == set.labels[i];
    return right / static_cast<double>(set.rows.size());
  }

 private:
  std::vector<float> scores(const std::array<float, features>& row) const {
    std::vector<float> result(part_classes().size(), 0);
    for (size_t c = 0; c < result.size(); ++c)
      for (size_t f = 0; f < features; ++f) result[c] += weights_[c * features + f] * row[f];
    return result;
  }
  std::vector<float> weights_;
};

TEST(Parts, ALinearClassifierOnPixelsFails) {
  PixelSet train = make_pixels(60, 1'000'000), held_out = make_pixels(30, 2'000'000);
  LogisticRegression model;
  model.fit(train, 100, 0.25f, 0.003f);
  EXPECT_GT(model.accuracy(train), 0.6) << "the classifier does not learn at all";
  EXPECT_LT(model.accuracy(held_out), 0.6);
  RecordProperty("held_out_percent", static_cast<int>(100 * model.accuracy(held_out)));
}

TEST(Parts, PicturesDependOnTheSeedAndVary) {
  for (const std::string& part : part_classes()) {
    Tensor image = render_part(part, 40, 5);
    EXPECT_EQ(image.dims(), (Dims{30, 40, 3}));
    EXPECT_TRUE(identical(image, render_part(part, 40, 5)));
    EXPECT_FALSE(identical(image, render_part(part, 40, 6)));
  }
  EXPECT_THAT(error_of([] { render_part("cog", 40, 1); }), HasSubstr("no part is called 'cog'"));
}

GenerateOptions small_options() {
  GenerateOptions options;
  options.images_per_class = 4;
  options.size = 24;
  return options;
}

TEST(Parts, GeneratesAFolderThatReadsBackAndContinues) {
  TemporaryFolder folder;
  fs::path root = folder / "parts";
  generate_parts_dataset(root, small_options());
  Splits splits = read_image_folder(root);
  EXPECT_EQ(splits.train.classes, part_classes());
  EXPECT_EQ(splits.train.class_counts(), std::vector<int64_t>(6, 4));
  EXPECT_EQ(splits.validation.class_counts(), std::vector<int64_t>(6, 1));
  EXPECT_TRUE(splits.skipped.empty());
  fs::path lost = splits.train.samples[7].path, kept = splits.train.samples[8].path;
  std::string before = read_text_file(lost);
  auto time = fs::last_write_time(kept);
  fs::remove(lost);
  GenerateOptions other_threads = small_options();
  other_threads.threads = 3;
  generate_parts_dataset(root, other_threads);
  EXPECT_EQ(read_text_file(lost), before);
  EXPECT_EQ(fs::last_write_time(kept), time);
}

TEST(Parts, RefusesBadOptionsAndForeignFolders) {
  TemporaryFolder folder;
  auto message = [&](const fs::path& root, auto&& change) {
    GenerateOptions options = small_options();
    change(options);
    return error_of([&] { generate_parts_dataset(root, options); });
  };
  EXPECT_THAT(message(folder / "a", [](GenerateOptions& o) { o.images_per_class = 0; }),
              HasSubstr("images_per_class is 0"));
  EXPECT_THAT(message(folder / "a", [](GenerateOptions& o) { o.size = 5; }), HasSubstr("size is 5"));
  EXPECT_THAT(message(folder / "a",
                      [](GenerateOptions& o) {
                        o.classes = {"nut", "nutt"};
                      }),
              HasSubstr("choose from 'bolt'"));
  EXPECT_THAT(message(folder / "a", [](GenerateOptions& o) { o.classes = {"nut", "nut"}; }), HasSubstr("given twice"));
  folder.write("mine/holiday.jpg", "x");
  EXPECT_THAT(message(folder / "mine", [](GenerateOptions&) {}), HasSubstr("is not empty"));
  EXPECT_EQ(message(folder / "b", [](GenerateOptions& o) { o.classes = {"nut", "gear"}; }), "");
  EXPECT_THAT(message(folder / "b", [](GenerateOptions& o) { o.seed = 9; }), HasSubstr("other options"));
}

}  // namespace
}  // namespace hone
