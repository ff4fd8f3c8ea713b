#include <gmock/gmock.h>

#include "data/augment/scene.hpp"
#include "data/loader.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

/// A gray image with white rectangles where the objects are, and the same as class mask.
Scene painted(int height, int width, std::vector<Box> boxes) {
  Scene scene{Tensor::zeros(DType::u8, {height, width, 3}), {}, Tensor::zeros(DType::u8, {height, width})};
  for (const Box& box : boxes) {
    Annotation object{.label = 1, .box = box};
    object.mask = mask_of(object, height, width);
    object.polygons = {{box.x, box.y, box.right(), box.y, box.right(), box.bottom(), box.x, box.bottom()}};
    for (int y = static_cast<int>(box.y); y < box.bottom(); ++y)
      for (int x = static_cast<int>(box.x); x < box.right(); ++x) {
        auto at = static_cast<size_t>(y * width + x);
        scene.mask.mutable_data<uint8_t>()[at] = 1;
        for (size_t c = 0; c < 3; ++c) scene.image.mutable_data<uint8_t>()[3 * at + c] = 255;
      }
    scene.objects.push_back(object);
  }
  return scene;
}

/// How well a box covers the white pixels in its surroundings: its IoU with the bounding box of all white pixels.
double agreement_with_pixels(const Scene& scene) {
  auto width = static_cast<size_t>(scene.image.dim(1));
  Tensor white(DType::u8, {scene.image.dim(0), scene.image.dim(1)});
  for (size_t i = 0; i < white.data<uint8_t>().size(); ++i)
    white.mutable_data<uint8_t>()[i] = scene.image.data<uint8_t>()[3 * i] > 180;
  (void)width;
  return scene.objects.empty() ? (area(encode_rle(white)) == 0)
                               : iou(bounding_box(encode_rle(white)), scene.objects[0].box);
}

TEST(Scene, BoxesMasksAndPolygonsFollowTheImage) {
  Scene scene = painted(120, 160, {{40, 30, 50, 40}});
  for (bool flip : {false, true})
    for (Fit how : {Fit::stretch, Fit::letterbox_top_left, Fit::letterbox_center}) {
      Placement p = fit({120, 160}, {100, 100}, how);
      p.flip = flip;
      Scene out = place(scene, p, {100, 100}, {});
      ASSERT_EQ(out.objects.size(), 1u);
      EXPECT_GT(agreement_with_pixels(out), 0.9);
      EXPECT_GT(iou(bounding_box(out.objects[0].mask), out.objects[0].box), 0.9);
      EXPECT_GT(iou(bounding_box(out.objects[0].polygons), out.objects[0].box), 0.95);
      Rle classes = encode_rle(Tensor::of<uint8_t>({100, 100}, [&] {
        std::vector<uint8_t> ones;
        for (uint8_t v : out.mask.data<uint8_t>()) ones.push_back(v == 1);
        return ones;
      }()));
      EXPECT_GT(iou(bounding_box(classes), out.objects[0].box), 0.9);
      EXPECT_GT(iou(p.undo(out.objects[0].box), scene.objects[0].box), 0.999);
    }
}

TEST(Scene, RandomCropsKeepBoxesOnTheirObjects) {
  uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(seed);
  SceneOptions options;
  options.crop = options.flip = 0.5;
  options.expand = 0.3;
  options.min_visible = 0;
  int with_objects = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    Rng rng = Rng::of(seed, 0, i);
    Scene out = vary(
        painted(120, 160, {{40, 30, 50, 40}}), 1, [](int) { return std::nullopt; }, {160, 200}, options, rng);
    if (out.objects.empty()) continue;
    ++with_objects;
    EXPECT_GT(agreement_with_pixels(out), 0.8) << i;
  }
  EXPECT_GT(with_objects, 30);
}

TEST(Scene, MosaicHoldsObjectsOfFourImages) {
  SceneOptions options;
  options.mosaic = 1;
  options.flip = 0.5;
  uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(seed);
  double most = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    Rng rng = Rng::of(seed, 1, i);
    Scene one = painted(100, 100, {{20, 20, 60, 60}});
    Scene out = vary(one, 4, [&](int) { return std::optional(one); }, {128, 128}, options, rng);
    most = std::max(most, static_cast<double>(out.objects.size()));
    for (const Annotation& object : out.objects) {
      auto x = static_cast<int64_t>(object.box.x + object.box.w / 2),
           y = static_cast<int64_t>(object.box.y + object.box.h / 2);
      EXPECT_GT(out.image.data<uint8_t>()[static_cast<size_t>(3 * (y * 128 + x))], 200) << i;
      EXPECT_EQ(out.mask.data<uint8_t>()[static_cast<size_t>(y * 128 + x)], 1);
    }
  }
  EXPECT_EQ(most, 4);
}

TEST(Scene, CopyPasteAndMixUp) {
  Scene base = painted(64, 64, {{0, 0, 10, 10}}), source = painted(64, 64, {{0, 0, 12, 12}, {30, 30, 20, 20}});
  bool hidden = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    Scene out = copy_paste(base, source, rng);
    for (const Annotation& object : out.objects)
      EXPECT_GT(out.image.data<uint8_t>()[static_cast<size_t>(3 * (64 * (object.box.y + 1) + object.box.x + 1))], 200);
    hidden = hidden ||
             std::none_of(out.objects.begin(), out.objects.end(), [](const Annotation& o) { return o.box.w == 10; });
  }
  EXPECT_TRUE(hidden);
  Scene mixed = mix_up(base, source);
  EXPECT_EQ(mixed.objects.size(), 3u);
  EXPECT_NEAR(mixed.image.data<uint8_t>()[3 * (64 * 40 + 40)], 127, 1);
}

TEST(Scene, OptionsOutOfRangeAreNamed) {
  SceneOptions options;
  options.mosaic = 2;
  EXPECT_THAT(error_of([&] { validate(options); }), HasSubstr("mosaic is 2"));
}

Dataset detection_set(const TemporaryFolder& folder, int count, bool masks) {
  Dataset data;
  data.task = masks ? Task::segmentation : Task::detection;
  data.classes = {"a", "b"};
  for (uint8_t i = 0; i < 2; ++i) data.masks.class_of[i] = i;
  for (int i = 0; i < count; ++i) {
    Sample sample;
    Scene scene = painted(60, 80, {{10.0 + i, 10, 30, 30}});
    sample.path = folder.write(std::to_string(i) + ".png", encode_png(scene.image));
    sample.size = {60, 80};
    if (masks)
      sample.mask = folder.write(std::to_string(i) + "_m.png", encode_png(scene.mask));
    else
      sample.objects = scene.objects;
    data.samples.push_back(sample);
  }
  return data;
}

TEST(SceneLoader, SameBatchesForAnyNumberOfThreads) {
  TemporaryFolder folder;
  for (bool masks : {false, true}) {
    Dataset data = detection_set(folder, 10, masks);
    auto batches = [&](int threads, int64_t cache) {
      LoaderOptions options{.batch_size = 4, .height = 48, .width = 64};
      options.scene = masks ? SceneOptions::for_segmentation() : SceneOptions::for_detection();
      options.scene->copy_paste = 0.3;
      options.scene->sizes = {{48, 64}, {32, 32}};
      options.shuffle = true;
      options.threads = threads;
      options.cache_bytes = cache;
      BatchLoader loader(data, options);
      std::vector<Batch> list;
      for (int epoch = 0; epoch < 2; ++epoch) {
        loader.start(epoch);
        while (auto batch = loader.next()) list.push_back(std::move(*batch));
      }
      return list;
    };
    std::vector<Batch> one = batches(1, 0), many = batches(5, 1 << 30);
    ASSERT_EQ(one.size(), 6u);
    bool small = false, large = false;
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_TRUE(identical(one[i].images, many[i].images));
      small = small || one[i].images.dim(1) == 32;
      large = large || one[i].images.dim(1) == 48;
      EXPECT_EQ(one[i].masks.defined(), masks);
      if (masks) {
        EXPECT_TRUE(identical(one[i].masks, many[i].masks));
      }
      for (size_t j = 0; j < one[i].objects.size(); ++j) {
        ASSERT_EQ(one[i].objects[j].size(), many[i].objects[j].size());
        for (size_t k = 0; k < one[i].objects[j].size(); ++k)
          EXPECT_EQ(one[i].objects[j][k].box, many[i].objects[j][k].box);
      }
    }
  }
}

TEST(SceneLoader, EvaluationBringsBoxesBackToTheImage) {
  TemporaryFolder folder;
  Dataset data = detection_set(folder, 3, false);
  LoaderOptions options{.batch_size = 3, .height = 32, .width = 32};
  options.scene = SceneOptions{.fit = Fit::letterbox_center};
  BatchLoader loader(data, options);
  Batch batch = *loader.next();
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(batch.objects[i].size(), 1u);
    ASSERT_TRUE(batch.placements[i]);
    EXPECT_GT(iou(batch.placements[i]->undo(batch.objects[i][0].box), data.samples[i].objects[0].box), 0.999);
  }
}

}  // namespace
}  // namespace hone
