#include "data/loader.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "base/interrupt.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

/// 5 images of class a, 12 of b, 2 of c.
Dataset make_dataset(const TemporaryFolder& folder) {
  Dataset dataset{{"a", "b", "c"}, {}};
  const int counts[] = {5, 12, 2};
  uint64_t seed = 0;
  for (int label = 0; label < 3; ++label)
    for (int i = 0; i < counts[label]; ++i) {
      auto path = folder.write(std::to_string(label) + "-" + std::to_string(i) + ".png",
                               encode_png(random_image(14, 18, seed++)));
      dataset.samples.push_back({path, label});
    }
  return dataset;
}

LoaderOptions training_options() {
  LoaderOptions options;
  options.batch_size = 4;
  options.height = 8;
  options.width = 10;
  options.augment = AugmentOptions{.rotation = 10, .erase = 0.3};
  options.shuffle = true;
  options.seed = 7;
  return options;
}

std::vector<Batch> take(BatchLoader& loader, int count) {
  std::vector<Batch> batches;
  while (static_cast<int>(batches.size()) < count)
    if (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].epoch, b[i].epoch) << i;
    EXPECT_EQ(a[i].number, b[i].number) << i;
    EXPECT_EQ(a[i].indices, b[i].indices) << i;
    EXPECT_EQ(a[i].labels, b[i].labels) << i;
    EXPECT_TRUE(identical(a[i].images, b[i].images)) << i;
  }
}

TEST(BatchLoader, SameBatchesWithAnyThreadsPrefetchAndCache) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  for (bool balanced : {false, true}) {
    LoaderOptions options = training_options();
    options.balanced = balanced;
    options.threads = 1;
    BatchLoader reference(dataset, options);
    std::vector<Batch> expected = take(reference, 12);
    options.threads = 3;
    options.prefetch = 1;
    options.cache_bytes = 2000;
    BatchLoader other(dataset, options);
    expect_same(take(other, 12), expected);
    options.seed = 8;
    BatchLoader differs(dataset, options);
    EXPECT_NE(take(differs, 1)[0].indices, expected[0].indices);
  }
}

TEST(BatchLoader, ResumesAnywhere) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  BatchLoader uninterrupted(dataset, training_options());
  ASSERT_EQ(uninterrupted.batches_per_epoch(), 5);
  std::vector<Batch> all = take(uninterrupted, 15);
  for (int begin : {3, 5, 9}) {
    BatchLoader resumed(dataset, training_options());
    resumed.start(begin / 5, begin % 5);
    expect_same(take(resumed, 4), {all.begin() + begin, all.begin() + begin + 4});
  }
  uninterrupted.start(0, 2);  // also backwards, with batches prepared ahead
  expect_same(take(uninterrupted, 2), {all.begin() + 2, all.begin() + 4});
  BatchLoader at_end(dataset, training_options());
  at_end.start(0, 5);
  EXPECT_FALSE(at_end.next());
  expect_same(take(at_end, 1), {all.begin() + 5, all.begin() + 6});
  at_end.start(1, 0);  // as after a whole epoch, when the next one was prepared already
  expect_same(take(at_end, 1), {all.begin() + 5, all.begin() + 6});
  EXPECT_THAT(error_of([&] { at_end.start(0, 6); }), HasSubstr("5 batches"));
}

TEST(BatchLoader, EpochEndsOnceAndStartAfterTheLastBatchGoesOn) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  for (bool shuffle : {false, true}) {
    LoaderOptions options = training_options();
    options.shuffle = shuffle;
    BatchLoader loader(dataset, options);
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      loader.start(epoch);
      std::multiset<int> seen;
      for (int i = 0; i < 5; ++i) {
        auto batch = loader.next();
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->epoch, epoch);
        EXPECT_EQ(batch->images.dim(0), i < 4 ? 4 : 3);
        seen.insert(batch->indices.begin(), batch->indices.end());
      }
      EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 19u);  // every image once
      EXPECT_EQ(seen.size(), 19u);
      if (epoch == 0) {
        EXPECT_FALSE(loader.next());  // taking the end or not makes no difference
      }
    }
  }
}

TEST(BatchLoader, PlainLoaderGivesResizedImagesInOrder) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  BatchLoader loader(dataset, {.batch_size = 19, .height = 6, .width = 7});
  for (int round = 0; round < 2; ++round) {
    Batch batch = take(loader, 1)[0];
    EXPECT_EQ(batch.indices[13], 13);
    EXPECT_EQ(batch.labels[17], 2);
    Tensor expected = resize_image(decode_image(dataset.samples[13].path), 6, 7);
    auto got = batch.images.data<uint8_t>().subspan(13 * 6 * 7 * 3, 6 * 7 * 3);
    EXPECT_TRUE(std::equal(got.begin(), got.end(), expected.data<uint8_t>().begin()));
  }
}

TEST(BatchLoader, BalancedSamplingCounts) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  LoaderOptions options = training_options();
  options.balanced = true;
  BatchLoader loader(dataset, options);
  std::map<int, int> by_class_total;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::map<int, int> by_class, by_image;
    for (int index : loader.epoch_order(epoch)) {
      ++by_class[dataset.samples[static_cast<size_t>(index)].label];
      ++by_image[index];
    }
    for (int label = 0; label < 3; ++label) {
      EXPECT_GE(by_class[label], 6);  // 19 over 3 classes
      EXPECT_LE(by_class[label], 7);
    }
    for (int index : {0, 1, 2, 3, 4}) EXPECT_TRUE(by_image[index] == 1 || by_image[index] == 2) << index;
    for (int index : {17, 18}) EXPECT_TRUE(by_image[index] == 3 || by_image[index] == 4) << index;
    for (int index = 5; index < 17; ++index) EXPECT_LE(by_image[index], 1) << index;
  }
  EXPECT_NE(loader.epoch_order(0), loader.epoch_order(1));
}

TEST(BatchLoader, DropsTheLastBatchUnlessItIsTheOnlyOne) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  LoaderOptions options = training_options();
  options.drop_last = true;
  EXPECT_EQ(BatchLoader(dataset, options).batches_per_epoch(), 4);
  options.batch_size = 64;
  BatchLoader loader(dataset, options);
  EXPECT_EQ(loader.batches_per_epoch(), 1);
  EXPECT_EQ(take(loader, 1)[0].labels.size(), 19u);
}

TEST(BatchLoader, UnreadableImagesAreReplacedByTheirClass) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  folder.write("0-4.png", "broken");
  folder.write("2-0.png", "broken");
  LoaderOptions options = training_options();
  options.shuffle = false;
  std::vector<Batch> runs[2];
  for (int threads : {1, 3}) {
    options.threads = threads;
    BatchLoader loader(dataset, options);
    runs[threads / 2] = take(loader, 5);
    EXPECT_EQ(loader.replaced(), 2);
    ASSERT_EQ(loader.unreadable().size(), 2u);
    EXPECT_EQ(loader.unreadable()[0].path, folder / "0-4.png");
    EXPECT_THAT(loader.unreadable()[0].reason, HasSubstr("not an image"));
  }
  expect_same(runs[0], runs[1]);
  EXPECT_EQ(runs[0][1].indices[0], 0);  // after 0-4 the class goes on with 0-0
  EXPECT_EQ(runs[0][1].labels[0], 0);
  EXPECT_EQ(runs[0][4].indices[1], 18);
}

TEST(BatchLoader, ErrorsOfWorkersReachTheConsumer) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  folder.write("2-0.png", "broken");
  LoaderOptions options = training_options();
  options.shuffle = false;
  options.replace_unreadable = false;
  BatchLoader strict(dataset, options);
  take(strict, 4);
  for (int i = 0; i < 2; ++i) EXPECT_THAT(error_of([&] { strict.next(); }), HasSubstr("2-0.png"));
  folder.write("2-1.png", "broken");
  options.replace_unreadable = true;
  BatchLoader loader(dataset, options);
  take(loader, 4);
  EXPECT_THAT(error_of([&] { loader.next(); }), HasSubstr("no image of class 'c' can be read"));
}

TEST(BatchLoader, RefusesBadOptions) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  auto message = [&](auto&& change) {
    LoaderOptions options = training_options();
    Dataset copy = dataset;
    change(options, copy);
    return error_of([&] { BatchLoader loader(copy, options); });
  };
  EXPECT_THAT(message([](LoaderOptions&, Dataset& data) { data.samples.clear(); }), HasSubstr("no images"));
  EXPECT_THAT(message([](LoaderOptions& options, Dataset&) { options.batch_size = 0; }), HasSubstr("batch_size is 0"));
  EXPECT_THAT(message([](LoaderOptions& options, Dataset&) { options.height = 0; }), HasSubstr("height is 0"));
  EXPECT_THAT(message([](LoaderOptions& options, Dataset&) { options.augment->min_area = 2; }),
              HasSubstr("min_area is 2"));
  EXPECT_THAT(message([](LoaderOptions& options, Dataset& data) {
                options.balanced = true;
                data.samples[0].label = 3;
              }),
              HasSubstr("label 3"));
}

TEST(BatchLoader, InterruptAndDestructionWhileBusy) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  for (int i = 0; i < 20; ++i) {
    BatchLoader loader(dataset, training_options());
    if (i % 2) take(loader, 1);
    loader.start(i, 0);
  }
  BatchLoader loader(dataset, training_options());
  request_interrupt();
  EXPECT_THROW(loader.next(), Interrupted);
  clear_interrupt();
  EXPECT_TRUE(loader.next());
}

TEST(BatchLoader, SharesACacheFilledByTheCheck) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(folder);
  LoaderOptions options = training_options();
  auto cache = std::make_shared<ImageCache>(cache_options(options));
  check_images(dataset, {.cache = cache.get()});
  EXPECT_EQ(cache->images(), 19);
  BatchLoader with(dataset, options, cache), without(dataset, options);
  expect_same(take(with, 3), take(without, 3));
}

TEST(Loader, PixelsInPlaceOfFilesGiveTheSameBatches) {
  TemporaryFolder folder;
  Dataset files = make_dataset(folder), embedded = files;
  for (Sample& sample : embedded.samples) {
    sample.pixels = decode_image(sample.path);
    sample.path = sample.path.string() + "#0";  // no such file
  }
  EXPECT_THAT(check_images(embedded), ::testing::IsEmpty());
  ASSERT_EQ(embedded.samples.size(), files.samples.size());
  LoaderOptions options = training_options();
  options.augment.reset();  // files are shrunk on load for it, pixels are there already
  BatchLoader a(files, options), b(embedded, options);
  expect_same(take(a, 6), take(b, 6));
  EXPECT_THAT(b.unreadable(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace hone
