#include <gmock/gmock.h>

#include "data/mask_file.hpp"
#include "data/read.hpp"
#include "data/split.hpp"
#include "data/data_checks.hpp"

namespace hone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string png(int height = 20, int width = 40) { return encode_png(random_image(height, width, 7)); }

std::string gray_png(int height, int width, std::vector<uint8_t> values) {
  values.resize(static_cast<size_t>(height) * static_cast<size_t>(width));
  return encode_png(Tensor::of<uint8_t>({height, width}, values));
}

std::string error_reading(const std::filesystem::path& path, const DatasetOptions& options = {}) {
  return error_of([&] { read_dataset(path, options); });
}

/// The count of the problem whose text contains `part`.
int64_t problems(const Dataset& dataset, const std::string& part) {
  for (const Problem& problem : dataset.problems.list())
    if (problem.what.find(part) != std::string::npos) return problem.count;
  return 0;
}

const char* coco_json = R"({
  "images": [{"id": 7, "file_name": "b.png", "width": 40, "height": 20}, {"id": 3, "file_name": "a.png", "width": 40, "height": 20},
             {"id": 9, "file_name": "gone.png", "width": 4, "height": 4}],
  "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
  "annotations": [
    {"id": 1, "image_id": 3, "category_id": 5, "bbox": [1, 2, 10, 8], "area": 33.5, "iscrowd": 0, "segmentation": [[1, 2, 11, 2, 11, 10]]},
    {"id": 2, "image_id": 7, "category_id": 2, "bbox": [30, 10, 20, 5], "iscrowd": 1, "segmentation": {"size": [20, 40], "counts": [790, 10]}},
    {"id": 3, "image_id": 7, "category_id": 99, "bbox": [1, 1, 2, 2]},
    {"id": 4, "image_id": 7, "category_id": 2, "bbox": [1, 1, 0, 2]},
    {"id": 5, "image_id": 7, "category_id": 2, "bbox": [50, 1, 5, 5]},
    {"id": 6, "image_id": 7, "category_id": 2, "bbox": [1, "x", 5, 5]},
    {"id": 7, "image_id": 9, "category_id": 2, "bbox": [1, 1, 2, 2]}]})";

TEST(Formats, CocoBoxesPolygonsAndRuns) {
  TemporaryFolder folder;
  folder.write("images/a.png", png());
  folder.write("images/b.png", png());
  folder.write("annotations/instances.json", coco_json);
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.format, "coco");
  EXPECT_EQ(data.task, Task::detection);
  EXPECT_THAT(data.classes, ElementsAre("cat", "dog"));  // by id
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(data.samples[0].path.filename(), "a.png");  // id 3 before 7
  ASSERT_EQ(data.samples[0].objects.size(), 1u);
  EXPECT_EQ(data.samples[0].objects[0].label, 1);
  EXPECT_EQ(data.samples[0].objects[0].box, (Box{1, 2, 10, 8}));
  EXPECT_EQ(data.samples[0].objects[0].area, 33.5);
  EXPECT_EQ(data.samples[0].objects[0].polygons.size(), 1u);
  ASSERT_EQ(data.samples[1].objects.size(), 1u);
  EXPECT_TRUE(data.samples[1].objects[0].crowd);
  EXPECT_EQ(data.samples[1].objects[0].box, (Box{30, 10, 10, 5}));  // clipped at 40
  EXPECT_EQ(area(data.samples[1].objects[0].mask), 10);
  EXPECT_EQ(problems(data, "make no sense"), 2);  // category 99, "x"
  EXPECT_EQ(problems(data, "empty boxes"), 1);
  EXPECT_EQ(problems(data, "outside the image were dropped"), 1);
  EXPECT_EQ(problems(data, "were clipped"), 1);
  EXPECT_EQ(problems(data, "not there"), 1);
  EXPECT_EQ(read_dataset(folder.path(), {.task = Task::instance_segmentation}).task, Task::instance_segmentation);
}

TEST(Formats, BrokenJsonIsAnErrorWithItsPlace) {
  TemporaryFolder folder;
  folder.write("a.png", png());
  folder.write("x.json", R"({"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [}]})");
  EXPECT_THAT(error_reading(folder.path()), AllOf(HasSubstr("x.json"), HasSubstr("line 1, column")));
  folder.write("x.json", R"({"images": [{"id": 1}], "annotations": [], "categories": []})");
  EXPECT_THAT(error_reading(folder.path()), AllOf(HasSubstr("images[0]"), HasSubstr("file_name")));
}

TEST(Formats, VocWithListsAndDifficult) {
  TemporaryFolder folder;
  auto xml = [](const std::string& objects) {
    return "<annotation><filename>x.jpg</filename>\n" + objects + "</annotation>";
  };
  auto object = [](const std::string& name, const std::string& box, int difficult) {
    return "<object><name>" + name + "</name><difficult>" + std::to_string(difficult) + "</difficult><bndbox>" + box +
           "</bndbox></object>\n";
  };
  std::string box = "<xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>20</ymax>";
  for (const char* name : {"a", "b", "c"}) folder.write(std::string("JPEGImages/") + name + ".png", png());
  folder.write("Annotations/a.xml", xml(object("dog", box, 0) + object("cat", box, 1)));
  folder.write("Annotations/b.xml", xml(object("dog", "<xmin>1</xmin><ymin>q</ymin><xmax>4</xmax><ymax>5</ymax>", 0)));
  folder.write("Annotations/c.xml", "<annotation><object>");
  folder.write("ImageSets/Main/train.txt", "a\n");
  folder.write("ImageSets/Main/val.txt", "b\n");
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.format, "voc");
  EXPECT_THAT(data.classes, ElementsAre("cat", "dog"));
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(data.samples[0].objects[0].box, (Box{0, 0, 40, 20}));  // counted from 1, the last pixel included
  EXPECT_TRUE(data.samples[0].objects[1].difficult);
  EXPECT_EQ(data.samples[0].part, Part::train);
  EXPECT_EQ(data.samples[1].part, Part::validation);
  ASSERT_EQ(problems(data, "annotation files that cannot be read"), 1);
  EXPECT_EQ(problems(data, "make no sense"), 1);
  bool line_named = false;
  for (const Problem& problem : data.problems.list())
    for (const std::string& place : problem.places)
      line_named |= place.find("b.xml' line 2: ymin is 'q'") != std::string::npos;
  EXPECT_TRUE(line_named);
}

TEST(Formats, YoloWithConfigAndPolygons) {
  TemporaryFolder folder;
  for (const char* name : {"train/1", "train/2", "val/3"}) folder.write(std::string("images/") + name + ".png", png());
  folder.write("labels/train/1.txt", "0 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.1 0.2 0.9\n");
  folder.write("labels/val/3.txt", "1 0 0 0.5 0 0.5 1\n2 300 200 10 10\nfoo\n5 0.5 0.5 0.1 0.1\n");
  folder.write(
      "data.yaml",
      "path: ../x  # base\ntrain: images/train\nval: images/val\nnc: 3\nnames:\n  0: cat\n  1: 'dog: big'\n  2: cow\n");
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.format, "yolo");
  EXPECT_EQ(data.task, Task::instance_segmentation);
  EXPECT_THAT(data.classes, ElementsAre("cat", "dog: big", "cow"));
  ASSERT_EQ(data.samples.size(), 3u);
  EXPECT_EQ(data.samples[0].objects[0].box, (Box{10, 5, 20, 10}));
  EXPECT_EQ(data.samples[0].part, Part::train);
  EXPECT_TRUE(data.samples[1].objects.empty());
  EXPECT_EQ(data.samples[2].part, Part::validation);
  ASSERT_EQ(data.samples[2].objects.size(), 1u);
  EXPECT_EQ(data.samples[2].objects[0].box, (Box{0, 0, 20, 20}));
  EXPECT_EQ(problems(data, "lines that make no sense"), 2);
  EXPECT_EQ(problems(data, "class is not known"), 1);
  EXPECT_EQ(problems(data, "no label file"), 1);
}

TEST(Formats, YamlNamesInEveryShape) {
  for (const char* names :
       {"names: [cat, 'dog']", "names: ['cat',\n  \"dog\"]", "names:\n- cat\n- dog", "names: {0: cat, 1: dog}"}) {
    TemporaryFolder folder;
    folder.write("images/1.png", png());
    folder.write("labels/1.txt", "1 0.5 0.5 0.5 0.5\n");
    folder.write("data.yaml", names);
    EXPECT_THAT(read_dataset(folder.path()).classes, ElementsAre("cat", "dog")) << names;
  }
}

TEST(Formats, CsvTables) {
  TemporaryFolder labels, boxes, columns, lists;
  for (const TemporaryFolder* folder : {&labels, &boxes, &columns, &lists})
    for (const char* name : {"a.png", "b.png"}) folder->write(std::string("pictures/") + name, png());
  labels.write("x.csv", "pictures/a.png,dog\npictures/b.png,cat\npictures/gone.png,cat\n");
  Dataset data = read_dataset(labels.path());
  EXPECT_EQ(data.task, Task::classification);
  EXPECT_THAT(data.classes, ElementsAre("cat", "dog"));
  EXPECT_THAT(data.class_counts(), ElementsAre(1, 1));
  EXPECT_EQ(problems(data, "not there"), 1);
  boxes.write("x.csv",
              "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,20,dog,1,2,11,12\na.png,40,20,cat,0,0,5,5\nb."
              "png,40,20,,,,,\n");
  data = read_dataset(boxes.path());
  EXPECT_EQ(data.task, Task::detection);
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(data.samples[0].objects[0].box, (Box{1, 2, 10, 10}));
  EXPECT_TRUE(data.samples[1].objects.empty());
  columns.write("x.csv", "image;sun;rain\na.png;1;0\nb.png;1;1\n");
  data = read_dataset(columns.path());
  EXPECT_EQ(data.task, Task::multi_label);
  EXPECT_THAT(data.classes, ElementsAre("sun", "rain"));
  EXPECT_THAT(data.samples[1].labels, ElementsAre(0, 1));
  lists.write("x.csv", "file,labels\na.png,\"sun|rain\"\nb.png,rain\n");
  data = read_dataset(lists.path());
  EXPECT_EQ(data.task, Task::multi_label);
  EXPECT_THAT(data.samples[0].labels, ElementsAre(0, 1));
  EXPECT_THAT(data.samples[1].labels, ElementsAre(0));
}

TEST(Formats, MasksOfEveryKind) {
  TemporaryFolder camvid, cityscapes, ade, colors;
  camvid.write("train/1.png", png(2, 2));
  camvid.write("train_labels/1.png", gray_png(2, 2, {0, 1, 2, 1}));
  camvid.write("classes.txt", "0 sky\n1 road\n2 Unlabelled(ignore)\n");
  Dataset data = read_dataset(camvid.path());
  EXPECT_EQ(data.format, "masks");
  EXPECT_THAT(data.classes, ElementsAre("sky", "road"));
  EXPECT_EQ(data.samples[0].part, Part::train);
  EXPECT_THAT(read_mask(data.samples[0].mask, data.masks).to_ints(), ElementsAre(0, 1, 255, 1));
  cityscapes.write("leftImg8bit/val/ulm/u_1_leftImg8bit.png", png(2, 2));
  cityscapes.write("gtFine/val/ulm/u_1_gtFine_labelIds.png", gray_png(2, 2, {7, 8, 0, 33}));
  cityscapes.write("gtFine/val/ulm/u_1_gtFine_color.png", png(2, 2));
  data = read_dataset(cityscapes.path());
  ASSERT_EQ(data.classes.size(), 19u);
  EXPECT_EQ(data.samples[0].part, Part::validation);
  EXPECT_THAT(read_mask(data.samples[0].mask, data.masks).to_ints(), ElementsAre(0, 1, 255, 18));
  ade.write("images/training/1.png", png(2, 2));
  ade.write("annotations/training/1.png", gray_png(2, 2, {0, 1, 2, 3}));
  data = read_dataset(ade.path());
  EXPECT_THAT(read_mask(data.samples[0].mask, data.masks).to_ints(), ElementsAre(255, 0, 1, 2));
  colors.write("images/1.png", png(1, 2));
  Tensor mask = Tensor::of<uint8_t>({1, 2, 3}, {255, 0, 0, 0, 0, 128});
  colors.write("masks/1.png", encode_png(mask));
  EXPECT_THAT(error_reading(colors.path()), HasSubstr("class_dict.csv"));
  colors.write("class_dict.csv", "name,r,g,b\nsea,0,0,128\nroof,255,0,0\n");
  data = read_dataset(colors.path());
  EXPECT_THAT(data.classes, ElementsAre("sea", "roof"));
  EXPECT_THAT(read_mask(data.samples[0].mask, data.masks).to_ints(), ElementsAre(1, 0));
}

TEST(Formats, TablesAsOthersWriteThem) {
  TemporaryFolder ids, tabs, split, windows;
  for (const char* name : {"a", "b", "c"}) {
    ids.write(std::string("pictures/") + name + ".png", png());
    for (const TemporaryFolder* folder : {&tabs, &split}) folder->write(std::string(name) + ".png", png());
    windows.write(std::string("pictures/") + name + ".png", png());
  }
  ids.write("train.csv", "\xEF\xBB\xBFid,breed\r\na,poodle\r\nb,beagle\r\nc,poodle\r\n");
  Dataset data = read_dataset(ids.path());
  EXPECT_EQ(data.task, Task::classification);
  EXPECT_THAT(data.class_counts(), ElementsAre(1, 2));
  tabs.write("labels.tsv", "image\tlabel\na.png\tcat\nb.png\tdog\nc.png\tdog\n");
  EXPECT_THAT(read_dataset(tabs.path()).class_counts(), ElementsAre(1, 2));
  split.write("x.csv", "file,label,split\na.png,cat,train\nb.png,dog,test\nc.png,dog,valid\n");
  data = read_dataset(split.path());
  ASSERT_EQ(data.samples.size(), 3u);
  EXPECT_EQ(data.samples[0].part, Part::train);
  EXPECT_EQ(data.samples[1].part, Part::test);
  EXPECT_EQ(data.samples[2].part, Part::validation);
  windows.write("x.csv", "file,label\npictures\\a.png,cat\npictures\\b.png,dog\n");
  EXPECT_EQ(read_dataset(windows.path()).samples.size(), 2u);
}

TEST(Formats, MasksBesideTheirImages) {
  TemporaryFolder beside, missing, ade;
  for (const char* name : {"car", "bus"}) {
    beside.write(std::string("set/") + name + ".PNG", png(2, 2));
    beside.write(std::string("set/") + name + "_mask.png", gray_png(2, 2, {0, 1, 1, 0}));
  }
  Dataset data = read_dataset(beside.path());
  EXPECT_EQ(data.task, Task::segmentation);
  ASSERT_EQ(data.samples.size(), 2u);
  EXPECT_THAT(read_mask(data.samples[0].mask, data.masks).to_ints(), ElementsAre(0, 1, 1, 0));
  EXPECT_TRUE(data.problems.empty());
  for (const char* name : {"1", "2", "3"}) missing.write(std::string("images/") + name + ".png", png(2, 2));
  for (const char* name : {"1", "3"})
    missing.write(std::string("masks/") + name + ".png", gray_png(2, 2, {0, 1, 1, 0}));
  data = read_dataset(missing.path());
  EXPECT_EQ(data.samples.size(), 2u);
  EXPECT_EQ(problems(data, "without a mask"), 1);
  ade.write("images/training/1.png", png(2, 2));
  ade.write("annotations/training/1.png", gray_png(2, 2, {0, 1, 2, 2}));
  ade.write(
      "objectInfo150.txt",
      "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.16\t11664\t1172\t1\twall\n2\t0.12\t6046\t612\t1\tbuilding, edifice\n");
  data = read_dataset(ade.path());
  EXPECT_THAT(data.classes, ElementsAre("wall", "building"));
  EXPECT_EQ(read_mask(data.samples[0].mask, data.masks).to_ints(), (std::vector<int64_t>{255, 0, 1, 1}));
}

TEST(Formats, SingleBadLinesAreNotAnotherFormat) {
  TemporaryFolder folder;
  for (const char* name : {"1", "2"}) {
    folder.write(std::string(name) + ".png", png());
    folder.write(std::string(name) + ".txt", "0 0.5 0.5 0.2 0.3\nx y z\n1 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n");
  }
  folder.write("classes.txt", "a\nb\n");
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.format, "yolo");
  EXPECT_EQ(problems(data, "lines that make no sense"), 2);
  EXPECT_THAT(data.class_counts(), ElementsAre(4, 2));
}

TEST(Formats, Cifar100WithoutItsNames) {
  TemporaryFolder folder;
  std::string record(2 + 3072, '\0');
  record[1] = 7;
  folder.write("train.bin", record + record);
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.classes.size(), 100u);
  EXPECT_EQ(data.samples[0].label, 7);
}

TEST(Formats, CifarAndMnistFiles) {
  TemporaryFolder cifar, mnist;
  std::string record(3073, '\x05');
  record[0] = 3;
  record[1] = 9;  // red of the first pixel
  cifar.write("data_batch_1.bin", record + record);
  cifar.write("test_batch.bin", record);
  Dataset data = read_dataset(cifar.path());
  ASSERT_EQ(data.samples.size(), 3u);
  EXPECT_EQ(data.samples[0].label, 3);
  EXPECT_EQ(image_of(data.samples[0]).data<uint8_t>()[0], 9);
  EXPECT_EQ(data.samples[2].part, Part::test);
  cifar.write("test_batch.bin", record.substr(1));
  EXPECT_THAT(error_reading(cifar.path()), HasSubstr("3072 bytes"));
  auto big = [](uint32_t v) { return std::string{char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; };
  mnist.write("train-images-idx3-ubyte", big(0x803) + big(1) + big(2) + big(2) + "\x01\x02\x03\x04");
  mnist.write("train-labels-idx1-ubyte", big(0x801) + big(1) + "\x07");
  data = read_dataset(mnist.path());
  ASSERT_EQ(data.samples.size(), 1u);
  EXPECT_EQ(data.samples[0].label, 7);
  EXPECT_THAT(image_of(data.samples[0]).dims(), ElementsAre(2, 2, 3));
  mnist.write("train-images-idx3-ubyte", big(0x803) + big(0xffffffff) + big(0xffffffff) + big(2) + "\x01");
  EXPECT_THAT(error_reading(mnist.path()), HasSubstr("bytes of data"));
}

TEST(Formats, DatumaroItems) {
  TemporaryFolder folder;
  folder.write("images/train/a.png", png());
  folder.write("annotations/train.json", R"({"categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}},
    "items": [{"id": "a", "image": {"path": "a.png", "size": [20, 40]}, "annotations": [
      {"type": "bbox", "label_id": 1, "bbox": [1, 2, 3, 4]}, {"type": "bbox", "label_id": 7, "bbox": [1, 2, 3, 4]},
      {"type": "polygon", "label_id": 0, "points": [0, 0, 10, 0, 10, 10]}]}]})");
  Dataset data = read_dataset(folder.path());
  EXPECT_EQ(data.format, "datumaro");
  EXPECT_EQ(data.samples[0].part, Part::train);
  EXPECT_THAT(data.class_counts(), ElementsAre(1, 1));
  EXPECT_EQ(problems(data, "make no sense"), 1);
}

TEST(Formats, AmbiguousFoldersNameTheCandidates) {
  TemporaryFolder folder;
  folder.write("images/1.png", png());
  folder.write("labels/1.txt", "0 0.5 0.5 0.5 0.5\n");
  folder.write("masks/1.png", gray_png(20, 40, {0, 1}));
  EXPECT_THAT(error_reading(folder.path()),
              AllOf(HasSubstr("yolo for detection"), HasSubstr("masks for segmentation"), HasSubstr("--task")));
  EXPECT_EQ(read_dataset(folder.path(), {.task = Task::segmentation}).format, "masks");
  EXPECT_EQ(read_dataset(folder.path(), {.format = "yolo"}).task, Task::detection);
  EXPECT_THAT(error_reading(folder.path(), {.format = "yola"}), HasSubstr("did you mean 'yolo'"));
  EXPECT_THAT(error_reading(folder.path(), {.task = Task::classification}),
              HasSubstr("no annotation for classification"));
}

TEST(Formats, NothingToRead) {
  TemporaryFolder folder;
  EXPECT_THAT(error_reading(folder / "gone"), HasSubstr("no such file or folder"));
  EXPECT_THAT(error_reading(folder.path()), HasSubstr("no images"));
  folder.write("1.png", png());
  EXPECT_THAT(error_reading(folder.path()), HasSubstr("no annotation that a reader knows"));
}

TEST(Formats, RandomBytesNeverCrash) {
  uint64_t seed = ::testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE(seed);
  const std::pair<const char*, std::string> files[] = {
      {"annotations/x.json", coco_json},
      {"images/a.xml", "<annotation><object><name>a</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"},
      {"labels/a.txt", "0 0.5 0.5 0.5 0.5"},
      {"data.yaml", "names: [a, b]\ntrain: x"},
      {"x.csv", "file,x1,y1,x2,y2,label\na.png,1,2,3,4,b"}};
  for (uint64_t round = 0; round < 60; ++round) {
    Rng rng(seed, round);
    TemporaryFolder folder;
    folder.write("images/a.png", png());
    auto [name, text] = files[round % std::size(files)];
    for (int i = 0; i < 4; ++i) text[rng.below(static_cast<uint32_t>(text.size()))] = static_cast<char>(rng.below(256));
    folder.write(name, text);
    try {
      read_dataset(folder.path());
    } catch (const Error&) {
    }
  }
}

TEST(Split, KeepsRareClassesOnBothSides) {
  Dataset data;
  data.task = Task::detection;
  data.classes = {"common", "rare"};
  for (int i = 0; i < 100; ++i) {
    Sample sample;
    sample.path = std::to_string(i);
    sample.objects.push_back({.label = 0});
    if (i % 25 == 0) sample.objects.push_back({.label = 1});
    data.samples.push_back(sample);
  }
  Splits splits = make_splits(data, {.validation_fraction = 0.25, .seed = 5});
  EXPECT_THAT(splits.validation.class_counts(), ElementsAre(25, 1));
  EXPECT_THAT(splits.train.class_counts(), ElementsAre(75, 3));
  Splits again = make_splits(data, {.validation_fraction = 0.25, .seed = 5});
  EXPECT_EQ(splits.validation.samples[3].path, again.validation.samples[3].path);
  TemporaryFolder folder;
  write_list(folder / "val.txt", splits.validation, ".");
  apply_list(folder / "val.txt", data, Part::validation, ".");
  apply_list(folder.write("train.txt", "1\n"), data, Part::train, ".");
  EXPECT_EQ(make_splits(data).train.samples.size(), 1u);
  EXPECT_THAT(error_of([&] { apply_list(folder.write("bad.txt", "1\nno\n"), data, Part::train, "."); }),
              HasSubstr("bad.txt' line 2"));
}

TEST(RealData, IsRecognized) {
  struct Expected {
    const char* name;
    std::optional<Task> task;
    const char* format;
    size_t images, classes;
  };
  for (const Expected& e : {Expected{"bccd", {}, "voc", 364, 3},
                            {"camvid", {}, "masks", 468, 11},
                            {"coco_val128", Task::detection, "yolo", 128, 80},
                            {"trashnet", {}, "folders", 2275, 6},
                            {"imagenet_like_nips17", {}, "csv", 600, 1000},
                            {"hazelnut_toy", {}, "mvtec", 51, 2}}) {
    auto folder = real_data(e.name);
    if (!folder) GTEST_SKIP() << "no real data beside the project";
    Dataset data = read_dataset(*folder, {.task = e.task});
    EXPECT_EQ(data.format, e.format) << e.name;
    EXPECT_EQ(data.samples.size(), e.images) << e.name;
    EXPECT_NEAR(static_cast<double>(data.classes.size()), static_cast<double>(e.classes), e.classes / 10) << e.name;
  }
  EXPECT_THAT(error_reading(*real_data("coco_val128")),
              AllOf(HasSubstr("labels_det"), HasSubstr("labels_inst"), HasSubstr("masks_sem")));
}

TEST(Formats, FindsAnnotationsWithoutReadingThem) {
  TemporaryFolder folder;
  folder.write("a/1.png", "not read");
  folder.write("b/1.png", "not read");
  std::vector<FoundAnnotation> found = find_annotations(folder.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].format, "folders");
  EXPECT_TRUE(found[0].serves(Task::classification));
  EXPECT_FALSE(found[0].serves(Task::detection));
  EXPECT_FALSE(found[0].embedded);
  folder.write("idx/train-images-idx3-ubyte", "not read");
  found = find_annotations(folder / "idx");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].format, "mnist");
  EXPECT_TRUE(found[0].embedded);
  EXPECT_THROW(find_annotations(folder / "gone"), Error);
}

}  // namespace
}  // namespace hone
