#include "data/dataset.hpp"

#include <gmock/gmock.h>

#include <set>

#include "base/interrupt.hpp"
#include "data/image.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string read_error(const fs::path& root) {
  return error_of([&] { read_image_folder(root); });
}

std::vector<std::string> names(const Dataset& dataset) {
  std::vector<std::string> result;
  for (const Sample& sample : dataset.samples)
    result.push_back(sample.path.parent_path().filename().string() + "/" + sample.path.filename().string());
  return result;
}

TEST(ImageFolder, StratifiedSplitIsSeededAndComplete) {
  TemporaryFolder folder;
  write_classes(folder, "", {"cat", "dog"}, 10);
  Splits splits = read_image_folder(folder.path(), {.validation_fraction = 0.3, .seed = 4});
  EXPECT_THAT(splits.train.classes, ElementsAre("cat", "dog"));
  EXPECT_THAT(splits.train.class_counts(), ElementsAre(7, 7));
  EXPECT_THAT(splits.validation.class_counts(), ElementsAre(3, 3));
  EXPECT_THAT(splits.description, AllOf(HasSubstr("2 classes, 14 train and 6 validation"), HasSubstr("seed 4")));
  std::set<fs::path> all;
  for (const Dataset* part : {&splits.train, &splits.validation})
    for (const Sample& sample : part->samples) all.insert(sample.path);
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(names(read_image_folder(folder.path(), {.validation_fraction = 0.3, .seed = 4}).train),
            names(splits.train));
  EXPECT_NE(names(read_image_folder(folder.path(), {.validation_fraction = 0.3, .seed = 5}).train),
            names(splits.train));
}

TEST(ImageFolder, FindsFilesDeepInAnyCaseSortedByName) {
  TemporaryFolder folder;
  std::string png = encode_png(random_image(4, 4, 1));
  for (const char* name : {"a/deep/er/2.PNG", "a/1.Png", "a/3.png", "b/1.JPG", "b/2.bmp", "b/3.webp"})
    folder.write(name, png);
  for (const char* name : {"a/.hidden.png", "a/notes.txt", ".git/x.png", "a/__MACOSX/1.png", "readme.md"})
    folder.write(name, png);
  fs::create_directory_symlink("..", folder / "a/circle");
  Dataset all = read_evaluation_folder(folder.path(), {"b", "a"});
  EXPECT_THAT(names(all), ElementsAre("a/1.Png", "a/3.png", "er/2.PNG", "b/1.JPG", "b/2.bmp", "b/3.webp"));
  EXPECT_EQ(all.samples.front().label, 1);
  EXPECT_EQ(list_images(folder / "b").size(), 3u);
}

TEST(ImageFolder, UsesTheSplitsOfTheFolder) {
  for (const char* validation : {"val", "valid", "Validation", "test"}) {
    TemporaryFolder folder;
    write_classes(folder, "train/", {"x", "y"}, 3);
    write_classes(folder, std::string(validation) + "/", {"y"}, 2);
    Splits splits = read_image_folder(folder.path());
    EXPECT_THAT(splits.train.class_counts(), ElementsAre(3, 3));
    EXPECT_THAT(splits.validation.class_counts(), ElementsAre(0, 2));
    EXPECT_EQ(splits.validation.classes, splits.train.classes);
    EXPECT_THAT(splits.description, HasSubstr(validation));
  }
}

TEST(ImageFolder, SplitsATrainFolderThatIsAlone) {
  TemporaryFolder folder;
  write_classes(folder, "train/", {"x", "y"}, 5);
  Splits splits = read_image_folder(folder.path());
  EXPECT_THAT(splits.train.class_counts(), ElementsAre(4, 4));
  EXPECT_THAT(splits.validation.class_counts(), ElementsAre(1, 1));
}

TEST(ImageFolder, ErrorsExplainTheLayout) {
  TemporaryFolder folder;
  EXPECT_THAT(read_error(folder / "none"), HasSubstr("no such folder"));
  EXPECT_THAT(read_error(folder.path()), AllOf(HasSubstr("no images"), HasSubstr("DATA/cat/1.jpg")));
  std::string png = encode_png(random_image(4, 4, 1));
  auto file = folder.write("1.png", png);
  EXPECT_THAT(read_error(file), HasSubstr("is a file"));
  EXPECT_THAT(read_error(folder.path()),
              AllOf(HasSubstr("has 1 images but no class folders"), HasSubstr("DATA/cat/1.jpg")));
  fs::create_directory(folder / "cat");
  EXPECT_THAT(read_error(folder.path()), HasSubstr("no images below it"));
  write_classes(folder, "", {"cat"}, 4);
  EXPECT_THAT(read_error(folder.path()), AllOf(HasSubstr("only one class ('cat')"), HasSubstr("DATA/cat/1.jpg")));
  write_classes(folder, "", {"dog"}, 2);
  EXPECT_THAT(read_error(folder.path()), AllOf(HasSubstr("class 'dog' has 2 usable images"), HasSubstr("at least 3")));
  EXPECT_THAT(error_of([&] { read_image_folder(folder.path(), {.validation_fraction = 1.5}); }),
              HasSubstr("validation fraction"));
}

TEST(ImageFolder, ValidationClassWithoutTraining) {
  TemporaryFolder folder;
  write_classes(folder, "train/", {"bottle", "can"}, 3);
  write_classes(folder, "val/", {"botle"}, 3);
  EXPECT_THAT(read_error(folder.path()),
              AllOf(HasSubstr("folder 'botle' is not a class"), HasSubstr("did you mean 'bottle'?")));
  fs::remove_all(folder / "val/botle");
  fs::create_directory(folder / "val/can");
  EXPECT_THAT(read_error(folder.path()), HasSubstr("no images below it"));
}

TEST(ImageFolder, CorruptImagesAreSkippedAndListed) {
  TemporaryFolder folder;
  write_classes(folder, "", {"cat", "dog"}, 5);
  std::string jpeg = encode_jpeg(random_image(50, 50, 9));
  folder.write("cat/cut.jpg", jpeg.substr(0, jpeg.size() - 100));
  folder.write("dog/text.jpg", "hello");
  folder.write("dog/zero.png", "");
  fs::create_symlink("nowhere", folder / "dog/link.png");
  for (int threads : {1, 3}) {
    Splits splits = read_image_folder(folder.path(), {.threads = threads});
    ASSERT_EQ(splits.skipped.size(), 4u);
    EXPECT_EQ(splits.skipped[0].path, folder / "cat/cut.jpg");
    EXPECT_THAT(splits.skipped[0].reason, HasSubstr("cut off"));
    EXPECT_THAT(splits.skipped[1].reason, HasSubstr("no such file"));
    EXPECT_THAT(splits.skipped[2].reason, HasSubstr("not an image"));
    EXPECT_THAT(splits.skipped[3].reason, HasSubstr("empty"));
    EXPECT_EQ(splits.train.samples.size() + splits.validation.samples.size(), 10u);
  }
  for (int i = 1; i < 5; ++i) folder.write("cat/" + std::to_string(i) + ".png", "broken");
  EXPECT_THAT(read_error(folder.path()),
              AllOf(HasSubstr("class 'cat' has 1 usable images"), HasSubstr("8 unreadable images")));
}

class CountingProgress : public Progress {
 public:
  void begin(const std::string&, int64_t steps) override { total = steps; }
  void update(int64_t steps, const std::string&) override {
    EXPECT_GE(steps, done);
    done = steps;
  }
  void end(const std::string&) override { ended = true; }
  int64_t total = 0, done = 0;
  bool ended = false;
};

TEST(CheckImages, ReportsProgressFillsTheCacheAndStopsOnInterrupt) {
  TemporaryFolder folder;
  write_classes(folder, "", {"cat", "dog"}, 5);
  CountingProgress progress;
  ImageCache cache({.short_side = 10});
  read_image_folder(folder.path(), {.progress = &progress, .cache = &cache});
  EXPECT_EQ(progress.total, 10);
  EXPECT_EQ(progress.done, 10);
  EXPECT_TRUE(progress.ended);
  EXPECT_EQ(cache.images(), 10);
  request_interrupt();
  EXPECT_THROW(read_image_folder(folder.path()), Interrupted);
  clear_interrupt();
}

TEST(EvaluationFolder, MatchesFoldersToClassesByName) {
  TemporaryFolder folder;
  write_classes(folder, "", {"Dog", "tench"}, 1);
  Dataset data = read_evaluation_folder(folder.path(), {"tench, Tinca tinca", "cat", "dog"});
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(data.samples[0].label, 2);
  EXPECT_EQ(data.samples[1].label, 0);
  EXPECT_EQ(data.classes.size(), 3u);
  EXPECT_THAT(error_of([&] {
                read_evaluation_folder(folder.path(), {"dig", "tench"});
              }),
              AllOf(HasSubstr("folder 'Dog' is not a class of the model"), HasSubstr("did you mean 'dig'?")));
  EXPECT_THAT(error_of([&] { read_evaluation_folder(folder.path(), {}); }), HasSubstr("no class names"));
}

TEST(EvaluationFolder, PrefersTheValidationSplit) {
  TemporaryFolder folder;
  write_classes(folder, "train/", {"a", "b"}, 3);
  write_classes(folder, "val/", {"a", "b"}, 1);
  EXPECT_EQ(read_evaluation_folder(folder.path(), {"a", "b"}).samples.size(), 2u);
}

TEST(CsvLabels, ReadsIndicesNamesAndQuotes) {
  TemporaryFolder folder;
  folder.write("images/a, b.png", "x");
  folder.write("c.png", "x");
  auto numbers =
      folder.write("n.csv",
                   "\xEF\xBB\xBF"
                   "author,file,label0\r\n\"Doe, \"\"J\"\"\nand others\",\"images/a, b.png\",3\r\n,c.png,0\r\n");
  Dataset data = read_csv_labels(numbers);
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(data.samples[0].path, folder / "images/a, b.png");
  EXPECT_EQ(data.samples[0].label, 3);
  EXPECT_EQ(data.samples[1].label, 0);
  EXPECT_THAT(error_of([&] {
                read_csv_labels(numbers, {"x", "y"});
              }),
              AllOf(HasSubstr("line 2"), HasSubstr("label 3")));
  auto named = folder.write("m.csv", "file,label\nc.png,dog\nimages/../c.png,cat\n");
  EXPECT_THAT(read_csv_labels(named).classes, ElementsAre("cat", "dog"));
  EXPECT_EQ(read_csv_labels(named, {"dog", "cat"}).samples[1].label, 1);
  EXPECT_THAT(error_of([&] { read_csv_labels(named, {"dig", "cat"}); }), HasSubstr("did you mean 'dig'?"));
}

TEST(CsvLabels, ErrorsNameTheLine) {
  TemporaryFolder folder;
  auto message = [&](const char* content) {
    auto path = folder.write("x.csv", content);
    return error_of([&] { read_csv_labels(path); });
  };
  EXPECT_THAT(message(""), HasSubstr("empty"));
  EXPECT_THAT(message("name,label\na,1\n"), HasSubstr("no column 'file'"));
  EXPECT_THAT(message("file,kind\na,1\n"), HasSubstr("no column 'label'"));
  EXPECT_THAT(message("file,label\n"), HasSubstr("no lines"));
  EXPECT_THAT(message("file,label\nx.csv,1\ny.png,1\n"), AllOf(HasSubstr("line 3"), HasSubstr("no such file")));
  EXPECT_THAT(message("file,label\n\nx.csv\n"), AllOf(HasSubstr("line 3"), HasSubstr("1 fields")));
  EXPECT_THAT(error_of([&] { read_csv_labels(folder / "none.csv"); }), HasSubstr("none.csv"));
}

TEST(ListImages, AcceptsAFileOrAFolder) {
  TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { list_images(folder.path()); }), HasSubstr("no images"));
  EXPECT_THAT(error_of([&] { list_images(folder / "none"); }), HasSubstr("no such file or folder"));
  auto file = folder.write("a.png", "x");
  EXPECT_THAT(list_images(file), ElementsAre(file));
}

TEST(RealData, TrashnetHasItsCounts) {
  auto root = real_data("trashnet");
  if (!root) GTEST_SKIP() << "no trashnet photos (set HONE_DATA)";
  Splits splits = read_image_folder(*root, {.check = false});
  EXPECT_THAT(splits.train.classes, ElementsAre("cardboard", "glass", "metal", "paper", "plastic", "trash"));
  EXPECT_EQ(splits.train.samples.size(), 1896u);
  EXPECT_EQ(splits.validation.samples.size(), 379u);
  Dataset validation = splits.validation;
  EXPECT_TRUE(check_images(validation).empty());
}

TEST(RealData, CsvOfPhotos) {
  auto root = real_data("imagenet_like_nips17");
  if (!root) GTEST_SKIP() << "no imagenet_like_nips17 photos (set HONE_DATA)";
  Dataset data = read_csv_labels(*root / "eval.csv");
  EXPECT_EQ(data.samples.size(), 500u);
  EXPECT_EQ(data.samples[0].label, 817);
}

}  // namespace
}  // namespace hone
