#include "train/backbone.hpp"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "graph/text.hpp"
#include "import/import.hpp"
#include "train/classification/linear_probe.hpp"
#include "train/classifier_trainer.hpp"
#include "train/graph_module.hpp"
#include "train/templates.hpp"
#include "train/templates/backbone_classifier.hpp"
#include "train/test_util.hpp"
#include "train/unfold_batch_norm.hpp"

namespace hone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const Graph& model, const BackboneOptions& options) {
  try {
    cut_backbone(model, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Graph small_mobilenet(int classes = 3, int side = 96) {
  return build_template("mobilenet_v2",
                        {.classes = classes, .width = 0.1, .height = side, .width_px = side, .seed = 7});
}

std::vector<std::string> cut_names(const Backbone& backbone) {
  std::vector<std::string> names;
  for (const GraphOutput& output : backbone.features.outputs()) names.push_back(output.name);
  return names;
}

/// What a backbone's maps should be: the values of these names in the whole model.
void expect_same_values(const Graph& model, const Backbone& backbone, const Dims& image) {
  Rng rng(3);
  std::vector<Tensor> input{random_tensor(image, rng)};
  Graph whole = model.clone();
  size_t first = whole.outputs().size();
  for (const std::string& name : cut_names(backbone)) whole.add_output(name, whole.find_value(name));
  std::vector<Tensor> expected = evaluate(whole, input), maps = evaluate(backbone.features, input);
  for (size_t i = 0; i < maps.size(); ++i) EXPECT_LT(difference(maps[i], expected[first + i]), 1e-6) << i;
}

TEST(Backbone, IsCutAtTheLastMapOfEachStride) {
  Graph model = small_mobilenet();
  Backbone backbone = cut_backbone(model, {.strides = {4, 8, 16, 32}});
  // The narrow maps between inverted residuals, not the widened ones inside.
  EXPECT_THAT(cut_names(backbone), ElementsAre("block3.add", "block6.add", "block13.add", "head.relu6"));
  EXPECT_THAT(backbone.strides, ElementsAre(4, 8, 16, 32));
  expect_same_values(model, backbone, {1, 3, 96, 96});
  Backbone last = cut_backbone(model, {.height = 64, .width = 128});
  EXPECT_THAT(cut_names(last), ElementsAre("head.relu6"));
  EXPECT_EQ(to_string(last.features.outputs()[0].value->shape()), "[N, 1280, 2, 4]");
}

TEST(Backbone, EndsBeforePyramidPooling) {
  const Graph model = parse_text(R"(graph "segmenter" {
    input %x: f32[1, 3, 32, 32]
    const %w: f32[8, 3, 3, 3] = random(1)
    const %v: f32[8, 8, 1, 1] = random(2)
    const %size: i64[4] = [1, 8, 16, 16]
    %map = Conv(%x, %w) {pads=[1, 1, 1, 1], strides=[2, 2]}
    %branch = Conv(%map, %v)
    %mean = GlobalAveragePool(%map)
    %p = Conv(%mean, %v)
    %r = Relu(%p)
    %wide = Resize(%r, _, _, %size)
    %both = Concat(%wide, %branch) {axis=1}
    output "y" = %both
  })");
  Backbone backbone = cut_backbone(model, {.height = 48, .width = 64});
  EXPECT_THAT(cut_names(backbone), ElementsAre("map"));
  EXPECT_EQ(to_string(backbone.features.outputs()[0].value->shape()), "[N, 8, 24, 32]");
}

TEST(Backbone, IsCutAtNames) {
  Graph model = small_mobilenet();
  Backbone backbone = cut_backbone(model, {.cut = {"block3.add", "block6.add"}});
  EXPECT_THAT(backbone.strides, ElementsAre(4, 8));
  EXPECT_EQ(backbone.features.find_node("block7.expand"), nullptr);
  EXPECT_THAT(error_of(model, {.cut = {"block4.ad"}}),
              AllOf(HasSubstr("has no value 'block4.ad'"), HasSubstr("block4")));
  EXPECT_THAT(error_of(model, {.cut = {"classifier"}}), HasSubstr("'classifier' is f32[1, 3], expected a feature map"));
  EXPECT_THAT(error_of(model, {.strides = {8, 64}}),
              AllOf(HasSubstr("strides 2, 4, 8, 16, 32, expected 8, 64"), HasSubstr("--cut")));
}

TEST(Backbone, RefusesWhatItCannotUse) {
  auto text = [](const std::string& inside) { return parse_text("graph \"g\" {\n" + inside + "\n}"); };
  EXPECT_THAT(
      error_of(
          text("input %x: f32[N, 8]\nconst %w: f32[4, 8] = random(1)\n%y = Gemm(%x, %w) {transB=1}\noutput \"y\" = %y"),
          {}),
      HasSubstr("expected one image f32[N, 3, height, width]"));
  EXPECT_THAT(error_of(text("input %x: f32[N, 3, 4, 4]\n%f = Flatten(%x)\nconst %w: f32[4, 48] = random(1)\n%y = "
                            "Gemm(%f, %w) {transB=1}\n"
                            "output \"y\" = %y"),
                       {}),
              HasSubstr("no feature maps"));
  // A patch embedding is not the network.
  EXPECT_THAT(error_of(text("input %x: f32[N, 3, 64, 64]\nconst %w: f32[8, 3, 16, 16] = random(1)\n%p = Conv(%x, %w) "
                            "{strides=[16, 16]}\n"
                            "%f = Flatten(%p)\nconst %v: f32[8000, 128] = random(2)\n%y = Gemm(%f, %v) "
                            "{transB=1}\noutput \"y\" = %y"),
                       {}),
              HasSubstr("% of its weights before its last feature map"));
}

TEST(Backbone, TakesOffWhatHoneTrainPutInFront) {
  Graph shipped = small_mobilenet(2);
  Graph plain = shipped.clone();
  attach_preprocess(shipped, {.height = 96, .width = 96, .mean = {1, 2, 3}, .std = {4, 5, 6}});
  set_labels(shipped, {"cat", "dog"});
  Backbone backbone = cut_backbone(shipped, {});
  ASSERT_TRUE(backbone.preprocess);
  EXPECT_EQ(backbone.preprocess->std[2], 6);
  EXPECT_THAT(backbone.labels, ElementsAre("cat", "dog"));
  expect_same_values(plain, backbone, {1, 3, 96, 96});
}

TEST(Backbone, QuantizedWeightsTrain) {
  Graph model = parse_text(R"(graph "int8" {
    input %x: f32[N, 3, 16, 16]
    const %s: f32[] = [0.1]
    const %z: u8[] = [128]
    const %q: i8[8, 3, 3, 3] = random(1)
    const %qs: f32[] = [0.01]
    %xq = QuantizeLinear(%x, %s, %z)
    %xf = DequantizeLinear(%xq, %s, %z)
    %w = DequantizeLinear(%q, %qs)
    %c = Conv(%xf, %w) {strides=[2, 2]}
    output "y" = %c
  })");
  Backbone backbone = cut_backbone(model, {});
  EXPECT_EQ(backbone.features.nodes().size(), 1u);
  EXPECT_THAT(GraphModule(backbone.features).parameters(), ElementsAre("q.float"));
}

TEST(Backbone, ClassifierKeepsTheRowsOfClassesItKnew) {
  Graph old = small_mobilenet(2);
  set_labels(old, {"cat", "dog"});
  Backbone backbone = cut_backbone(old, {});
  TemplateOptions shape{.classes = 3, .height = 96, .width_px = 96, .seed = 1, .backbone = &backbone.features};
  Graph model = build_backbone_classifier(shape);
  Tensor before = model.find_value("classifier.weight")->constant();
  EXPECT_EQ(keep_class_rows(model, backbone, {"dog", "fox", "cat"}), 2);
  Rng rng(5);
  std::vector<Tensor> input{random_tensor({1, 3, 96, 96}, rng)};
  std::vector<float> was = evaluate(old, input)[0].to_floats(), now = evaluate(model, input)[0].to_floats();
  EXPECT_NEAR(now[0], was[1], 1e-5);
  EXPECT_NEAR(now[2], was[0], 1e-5);
  EXPECT_EQ(model.find_value("classifier.weight")->constant().to_floats()[1280], before.to_floats()[1280]);
  EXPECT_EQ(keep_class_rows(model, cut_backbone(small_mobilenet(), {}), {"a", "b", "c"}), 0);  // no labels
}

std::filesystem::path data_folder() {
  const char* variable = std::getenv("HONE_DATA");
  return variable ? variable : std::filesystem::path(HONE_SOURCE_DIR) / ".." / "shared";
}

struct Real {
  const char* file;
  std::vector<int> strides;
  std::vector<std::string> shapes;
  size_t parameters;
};

TEST(Backbone, RealModelsAreCutAndTrainWhole) {
  const Real models[] = {
      {"imagenet/mobilenet_v2_torchvision/mobilenet_v2_tv_dequant.onnx",
       {4, 8, 16, 32},
       {"[N, 24, 24, 24]", "[N, 32, 12, 12]", "[N, 96, 6, 6]", "[N, 1280, 3, 3]"},
       104},  // weights and biases of 52 convolutions
      {"imagenet/resnet18_trunk/resnet18_trunk_l1l2l3.onnx",
       {4, 8, 16},
       {"[N, 64, 24, 24]", "[N, 128, 12, 12]", "[N, 256, 6, 6]"},
       30},
      {"imagenet/squeezenet_v1.1/squeezenet_v1.1.onnx",
       {16},
       {"[N, 512, 5, 5]"},
       50},  // without the layer of the classes
      {"imagenet/mobilenet_v1_0.25_224/mobilenet_v1_0.25_224.onnx",
       {8, 16, 32},
       {"[N, 64, 12, 12]", "[N, 128, 6, 6]", "[N, 256, 3, 3]"},
       54},
      {"segmentation/deeplabv3_mnv2_257/deeplabv3_mnv2_257.onnx",
       {2, 4, 8},
       {"[N, 8, 48, 48]", "[N, 12, 24, 24]", "[N, 160, 12, 12]"},
       102},
  };
  for (const Real& real : models) {
    std::filesystem::path file = data_folder() / "models" / real.file;
    if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
    Backbone backbone = cut_backbone(import_model(file), {.strides = real.strides, .height = 96, .width = 96});
    std::vector<std::string> shapes;
    for (const GraphOutput& output : backbone.features.outputs()) shapes.push_back(to_string(output.value->shape()));
    EXPECT_EQ(shapes, real.shapes) << real.file;
    EXPECT_EQ(GraphModule(backbone.features).parameters().size(), real.parameters) << real.file;
  }
}

/// Images whose class is their color.
Splits colored(int images, const std::vector<std::string>& classes, int used) {
  Splits data;
  data.train.classes = data.validation.classes = classes;
  Rng rng(11);
  for (int i = 0; i < images; ++i) {
    Sample sample;
    sample.label = i % used;
    sample.path = "image" + std::to_string(i);
    sample.pixels = Tensor(DType::u8, {32, 32, 3});
    auto pixels = sample.pixels.mutable_data<uint8_t>();
    for (size_t p = 0; p < pixels.size(); ++p)
      pixels[p] = static_cast<uint8_t>(rng.below(80) + (static_cast<int>(p % 3) == sample.label ? 150 : 0));
    (i % 4 == 3 ? data.validation : data.train).samples.push_back(std::move(sample));
  }
  return data;
}

TrainOptions small_options() {
  TrainOptions options;
  options.preprocess = {.height = 32, .width = 32, .mean = {128, 128, 128}, .std = {64, 64, 64}};
  options.threads = 1;
  options.batch_size = 8;
  return options;
}

TEST(LinearProbe, FitsTheLastLayerOnly) {
  Splits data = colored(48, {"red", "green", "blue"}, 3);
  Graph model = build_template("mobilenet_v2", {.classes = 3, .width = 0.1, .height = 32, .width_px = 32});
  Graph before = model.clone();
  TrainResult result = train_linear_probe(model, data, small_options());
  EXPECT_GT(result.best_metric, 0.9);
  EXPECT_EQ(result.metric_name, "accuracy");
  EXPECT_TRUE(identical(model.find_value("stem.weight")->constant(), before.find_value("stem.weight")->constant()));
  EXPECT_FALSE(
      identical(model.find_value("classifier.weight")->constant(), before.find_value("classifier.weight")->constant()));
  Graph again = before.clone();
  train_linear_probe(again, data, small_options());
  EXPECT_TRUE(
      identical(model.find_value("classifier.weight")->constant(), again.find_value("classifier.weight")->constant()));
}

TEST(LinearProbe, NeedsALinearLayer) {
  Splits data = colored(12, {"red", "green"}, 2);
  Graph model = parse_text(
      "graph \"g\" {\ninput %x: f32[N, 3, 32, 32]\nconst %w: f32[2, 3, 3, 3] = random(1)\n%c = Conv(%x, %w)\n"
      "%p = GlobalAveragePool(%c)\n%f = Flatten(%p)\noutput \"y\" = %f\n}");
  EXPECT_THROW(train_linear_probe(model, data, small_options()), Error);
}

TEST(UnfoldBatchNorm, ChangesNoOutput) {
  Splits data = colored(24, {"red", "green"}, 2);
  Graph model = parse_text(R"(graph "folded" {
    input %x: f32[N, 3, 32, 32]
    const %backbone/w1: f32[8, 3, 3, 3] = random(1)
    const %backbone/b1: f32[8] = random(2)
    const %backbone/w2: f32[8, 8, 3, 3] = random(3)
    const %backbone/b2: f32[8] = random(4)
    const %v: f32[2, 8] = random(5)
    const %c: f32[2] = random(6)
    %conv = Conv(%x, %backbone/w1, %backbone/b1) {strides=[2, 2]}
    %relu = Relu(%conv)
    %deep = Conv(%relu, %backbone/w2, %backbone/b2) {strides=[2, 2]}
    %pool = GlobalAveragePool(%deep)
    %flat = Flatten(%pool)
    %y = Gemm(%flat, %v, %c) {transB=1}
    output "logits" = %y
  })");
  Graph before = model.clone();
  EXPECT_EQ(unfold_batch_norms(model, "other/", data.train, small_options()), 0);
  EXPECT_EQ(unfold_batch_norms(model, "backbone/", data.train, small_options()), 2);
  EXPECT_EQ(unfold_batch_norms(model, "backbone/", data.train, small_options()), 0);  // it has them now
  Rng rng(4);
  std::vector<Tensor> input{random_tensor({2, 3, 32, 32}, rng)};
  EXPECT_LT(difference(evaluate(model, input)[0], evaluate(before, input)[0]), 1e-4);
  EXPECT_EQ(GraphModule(model).buffers().size(), 4u);
}

TEST(ClassIncremental, ClassesWithoutImagesKeepTheirRows) {
  Splits data = colored(32, {"red", "green", "unseen"}, 2);
  Graph model = build_template("mobilenet_v2", {.classes = 3, .width = 0.1, .height = 32, .width_px = 32});
  auto row = [](const Graph& graph) {
    std::vector<float> all = graph.find_value("classifier.weight")->constant().to_floats();
    return std::vector<float>(all.end() - 1280, all.end());
  };
  std::vector<float> before = row(model);
  TrainOptions options = small_options();
  options.epochs = 2;
  options.weight_decay = 0;
  train_classifier(model, data, options);
  EXPECT_EQ(row(model), before);
}

TEST(MultiLabel, IsLearned) {
  Splits data = colored(64, {"red", "not red"}, 2);
  for (Dataset* part : {&data.train, &data.validation}) {
    part->task = Task::multi_label;
    for (Sample& sample : part->samples) {
      sample.labels = sample.label == 0 ? std::vector<int>{0} : std::vector<int>{0, 1};
      if (sample.label == 1 && sample.path.string().back() % 2) sample.labels = {1};
      sample.label = -1;
    }
  }
  Graph model = build_template("mobilenet_v2", {.classes = 2, .width = 0.1, .height = 32, .width_px = 32});
  TrainOptions options = small_options();
  options.epochs = 6;
  options.learning_rate = 0.05;
  TrainResult result = train_classifier(model, data, options);
  EXPECT_EQ(result.metric_name, "mAP");
  EXPECT_GT(result.best_metric, 0.8);
  EXPECT_LT(result.history.back().loss, result.history.front().loss);
}

TEST(Hierarchy, UpperLevelsAreInTheLoss) {
  auto loss = [](const std::vector<std::string>& classes) {
    Splits data = colored(48, classes, 3);
    Graph model = build_template("mobilenet_v2", {.classes = 3, .width = 0.1, .height = 32, .width_px = 32});
    TrainResult result = train_linear_probe(model, data, small_options());
    EXPECT_GT(result.best_metric, 0.9);
    return result.history[0].loss;
  };
  EXPECT_GT(loss({"warm/red", "cold/green", "cold/blue"}), loss({"red", "green", "blue"}) + 0.01);
}

}  // namespace
}  // namespace hone
