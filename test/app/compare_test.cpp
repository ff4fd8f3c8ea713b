#include <gmock/gmock.h>

#include "app/run_hone.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;

nlohmann::json compare(std::vector<std::string> arguments, int code = 0) {
  arguments.insert(arguments.begin(), "compare");
  arguments.push_back("--json");
  Result result = hone(arguments);
  EXPECT_EQ(result.code, code) << result.err << result.out;
  nlohmann::json json = result.json();
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

/// Three layers; the middle one has its weights from `seed`. `prefix` begins the names of all values.
Graph layers(int seed, const std::string& prefix = "") {
  std::string text = "graph \"layers\" {\n input %x: f32[N, 3, 16, 16]\n";
  std::string from = "x", channels = "3";
  for (int i = 0; i < 3; ++i) {
    std::string n = prefix + std::to_string(i), random = std::to_string(i == 1 ? seed : 10 + i);
    text += " const %w" + n + ": f32[8, " + channels + ", 3, 3] = random(" + random + ")\n const %b" + n +
            ": f32[8] = random(" + std::to_string(20 + i) + ")\n %conv" + n + " = Conv(%" + from + ", %w" + n + ", %b" +
            n + ") {pads=[1, 1, 1, 1]}\n %relu" + n + " = Relu(%conv" + n + ")\n";
    from = "relu" + n;
    channels = "8";
  }
  return parse_text(text + " output \"y\" = %" + from + "\n}");
}

struct Compare : ::testing::Test {
  TemporaryFolder folder;
  std::string a = write_model(folder, "a.onnx", layers(1)), b = write_model(folder, "b.onnx", layers(2));
};

TEST_F(Compare, AModelAgreesWithItsReferenceEvaluation) {
  nlohmann::json json = compare({a, "--random", "2", "--threads", "1"});
  EXPECT_EQ(json["inputs"], 2);
  EXPECT_EQ(json["device_b"], "reference");
  EXPECT_FALSE(json["outputs_part"]);
  EXPECT_FALSE(json["optimization_parts"]);
  EXPECT_TRUE(json["first"].is_null());
  EXPECT_EQ(json["nodes"].size(), 3u);  // convolution and activation are one step
  for (const auto& node : json["nodes"]) {
    EXPECT_LT(node["max_rel"], 1e-3);
    EXPECT_GT(node["cosine"], 0.999);
    EXPECT_FALSE(node["kernel"].get<std::string>().starts_with("reference"));
  }
  Result text = hone({"compare", a});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("They agree."));
}

TEST_F(Compare, TheFirstNodeThatDiffersIsNamed) {
  nlohmann::json json = compare({a, b}, 1);
  EXPECT_TRUE(json["outputs_part"]);
  EXPECT_TRUE(json["nodes"][0]["exact"]);
  ASSERT_FALSE(json["first"].is_null());
  EXPECT_THAT(json["first"]["name"], testing::AnyOf("relu1", "conv1"));
  Result text = hone({"compare", a, b});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, HasSubstr("First to part: "));
}

TEST_F(Compare, ValuesOfOtherNamesMatchByOpAndSizes) {
  std::string renamed = write_model(folder, "renamed.onnx", layers(1, "other"));
  nlohmann::json json = compare({a, renamed});
  ASSERT_EQ(json["nodes"].size(), 3u);
  EXPECT_TRUE(json["nodes"][2]["exact"]);
  EXPECT_NE(json["nodes"][1]["name"], json["nodes"][1]["name_b"]);
}

TEST_F(Compare, ANodeThatPartsIsRunAlone) {
  // With no tolerance the rounding of the fused kernels is enough to part.
  nlohmann::json json = compare({a, "--rtol", "0", "--atol", "0"}, 1);
  ASSERT_FALSE(json["first"].is_null());
  ASSERT_TRUE(json["first"].contains("own"));
  EXPECT_LT(json["first"]["own"]["max_rel"], 1e-3);
  EXPECT_GT(json["first"]["own"]["max_abs"], 0);
}

TEST_F(Compare, Int8AgainstFp32) {
  std::string data = write_data(folder, 4), images = write_model(folder, "images.onnx", tiny_image_classifier());
  std::string int8 = (folder / "int8.onnx").string();
  ASSERT_EQ(hone({"quantize", images, "--data", data, "-o", int8}).code, 0);
  nlohmann::json json = compare({int8, images, "--images", data, "--count", "3"});
  EXPECT_EQ(json["inputs"], 3);
  ASSERT_GE(json["nodes"].size(), 2u);
  bool inexact = false, scaled = false;
  for (const auto& node : json["nodes"]) {
    EXPECT_TRUE(node["exact"] || node["sqnr_db"] > 10) << node;
    inexact |= !node["exact"].get<bool>();
    scaled |= node.contains("scaled_channels");
  }
  EXPECT_TRUE(inexact);
  Result random = hone({"compare", int8, images, "--min-sqnr", "200"});
  EXPECT_EQ(random.code, 1);
  EXPECT_THAT(random.out, HasSubstr("Random inputs are not what the ranges of an INT8 model were made for"));
  EXPECT_TRUE(scaled) << "channels are aligned, and compared up to their factors";
  // The quantized model too agrees with its own definition.
  EXPECT_FALSE(compare({int8, "--images", data, "--count", "1", "--min-sqnr", "25"})["outputs_part"]);
}

TEST_F(Compare, WrongUse) {
  EXPECT_EQ(hone({"compare", a, "--device-b", "cpu"}).code, 2);
  EXPECT_EQ(hone({"compare", a, "--images", "x", "--random", "3"}).code, 2);
  std::string images = write_model(folder, "images.onnx", tiny_image_classifier());
  Result other = hone({"compare", a, images});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("do not take the same inputs: A takes 'x' f32[N, 3, 16, 16], B takes "));
  std::string larger = write_model(folder, "larger.onnx", parse_text(R"(graph "larger" {
    input %x: f32[N, 3, 24, 24]
    %y = Relu(%x)
    output "y" = %y
  })"));
  other = hone({"compare", a, larger});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("A takes 'x' f32[N, 3, 16, 16], B takes 'x' f32[N, 3, 24, 24]"));
}

TEST_F(Compare, InputsThatAreNoImagesOrNumbers) {
  std::string two = write_model(folder, "two.onnx", parse_text(R"(graph "two" {
    input %a: f32[N, 3]
    input %b: f32[N, 3]
    %y = Add(%a, %b)
    output "y" = %y
  })"));
  EXPECT_EQ(hone({"compare", two}).code, 0);
  Result images = hone({"compare", two, "--images", write_data(folder, 1)});
  EXPECT_EQ(images.code, 1);
  EXPECT_THAT(images.err, HasSubstr("has 2 inputs, expected one image input; give tensors to"));
  std::string text = write_model(folder, "text.onnx", parse_text(R"(graph "text" {
    input %x: string[N]
    %y = Identity(%x)
    output "y" = %y
  })"));
  Result strings = hone({"compare", text});
  EXPECT_EQ(strings.code, 1);
  EXPECT_THAT(strings.err, HasSubstr("input 'x': is string[N], and there are no random texts"));
}

TEST_F(Compare, AFixedBatchOfEitherSideIsUsed) {
  std::string four = (folder / "four.onnx").string(), data = write_data(folder, 4);
  ASSERT_EQ(hone({"convert", a, "-o", four, "--batch", "4"}).code, 0);
  EXPECT_EQ(compare({a, four})["nodes"][0]["type"], "f32[4, 8, 16, 16]");
  EXPECT_EQ(compare({four, a})["nodes"][0]["type"], "f32[4, 8, 16, 16]");
  EXPECT_EQ(compare({a, four, "--images", data})["nodes"][0]["type"], "f32[4, 8, 16, 16]");
}

TEST_F(Compare, OutputsOfOtherSizesAreShown) {
  std::string flat = write_model(folder, "flat.onnx", parse_text(R"(graph "flat" {
    input %x: f32[N, 3, 16, 16]
    %y = GlobalAveragePool(%x)
    output "y" = %y
  })"));
  nlohmann::json json = compare({a, flat}, 1);
  EXPECT_EQ(json["outputs"][0]["type"], "f32[1, 8, 16, 16] / f32[1, 3, 1, 1]");
}

TEST_F(Compare, CorruptImagesAreNamed) {
  std::string data = write_data(folder, 4);
  folder.write("photos/bad.jpg", "no image");
  Result none = hone({"compare", a, "--images", (folder / "photos").string()});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("photos': none of the 1 images can be used; the first: '"));
  std::filesystem::copy(folder / "photos" / "bad.jpg", std::filesystem::path(data) / "bad.jpg");
  Result result = hone({"compare", a, "--images", data, "--count", "100"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("1 image skipped:"));
  EXPECT_THAT(result.err, HasSubstr("bad.jpg"));
}

}  // namespace
}  // namespace hone::app_test
