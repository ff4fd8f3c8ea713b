#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "import/import.hpp"
#include "run_hone.hpp"

namespace hone::app_test {
namespace {

using testing::HasSubstr;

// A classifier of plain tensors with two convolutions and a matrix product.
std::string write_model(const TemporaryFolder& folder) {
  Graph graph;
  Value* x = graph.add_input("x", DType::f32, Shape{1, 3, 8, 8});
  auto constant = [&](const std::string& name, Dims dims, int seed) {
    Tensor tensor(DType::f32, std::move(dims));
    auto data = tensor.mutable_data<float>();
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<float>((i * 37 + static_cast<size_t>(seed) * 11) % 29) / 29 - 0.5F;
    return graph.add_constant(name, tensor);
  };
  Value* y =
      graph.add(make_op("", "Conv"), {x, constant("w1", {8, 3, 3, 3}, 1), constant("b1", {8}, 2)}, "stem")->output();
  y = graph.add(make_op("", "Relu"), {y}, "relu")->output();
  y = graph.add(make_op("", "Conv"), {y, constant("w2", {8, 8, 1, 1}, 3)}, "middle")->output();
  y = graph.add(make_op("", "Flatten"), {y}, "flat")->output();
  y = graph.add(make_op("", "MatMul"), {y, constant("w3", {288, 4}, 4)}, "head")->output();
  graph.add_output("scores", y);
  std::string path = (folder / "model.onnx").string();
  export_model(graph, path);
  return path;
}

class QuantizeCommand : public testing::Test {
 protected:
  Result config(const std::string& json) {
    std::ofstream(folder_ / "config.json") << json;
    return hone(
        {"quantize", model_, "--random-data", "-o", out_, "--json", "--config", (folder_ / "config.json").string()});
  }
  TemporaryFolder folder_;
  std::string model_ = write_model(folder_), out_ = (folder_ / "out.onnx").string();
};

TEST_F(QuantizeCommand, ConfigOfPot) {
  Result result = config(
      R"({"model": {"model_name": "m"}, "engine": {"config": "x"}, "compression": {"target_device": "CPU", "algorithms": [
      {"name": "DefaultQuantization", "params": {"preset": "performance", "stat_subset_size": 3, "saturation_fix": "all",
       "ignored": {"scope": ["middle"], "operations": [{"type": "MatMul"}]},
       "activations": {"range_estimator": {"max": {"type": "quantile", "outlier_prob": 0.001}}}}}]}})");
  ASSERT_EQ(result.code, 0) << result.err;
  auto json = result.json();
  EXPECT_EQ(json["samples"], 3);
  EXPECT_EQ(json["seven_bit_weights"], true);
  std::vector<std::string> kept;
  for (auto& node : json["fp32"]) kept.push_back(node["name"]);
  EXPECT_THAT(kept, testing::IsSupersetOf({"middle", "head"}));
  EXPECT_GT(json["int8_share"], 0.1);
}

TEST_F(QuantizeCommand, ConfigOfNncf) {
  Result result = config(R"({"preset": "mixed", "subset_size": 4, "fast_bias_correction": false, "model_type": null,
      "ignored_scope": {"names": [], "patterns": ["mid.*"], "types": ["Relu"], "validate": true},
      "advanced_parameters": {"overflow_fix": "disable", "smooth_quant_alpha": 0.5}})");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json()["samples"], 4);
}

TEST_F(QuantizeCommand, WrongConfigsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"presett": "mixed"})", "near it: 'preset'"},
      {R"({"preset": "fast"})", "got 'fast', expected accuracy"},
      {R"({"subset_size": "many"})", "subset_size: is \"many\", expected an integer"},
      {R"({"compression": {"algorithms": [{"name": "DefaultQuantisation"}]}})", "algorithms[0].name"},
      {R"({"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"stat_subset_sise": 3}}]}})",
       "stat_subset_size"},
      {R"({"ignored_scope": {"name": []}})", "'names'"},
      {R"({"ignored_scope": {"names": ["midle"]}})", "'middle'"},
      {R"({"ignored_scope": {"patterns": ["mid(("]}})", "no regular expression"},
      {R"({"target_device": "TPU"})", "not a known device"},
      {R"([1])", "is not an object"},
  };
  for (auto [text, expected] : cases) {
    Result result = config(text);
    EXPECT_EQ(result.code, 1) << text;
    EXPECT_THAT(result.err, HasSubstr(expected)) << text;
  }
}

TEST_F(QuantizeCommand, WeightsOnly) {
  for (std::string format : {"int8", "int4", "fp16", "bf16"}) {
    std::vector<std::string> arguments{"quantize", model_, "--weights", format, "-o", out_, "--json"};
    if (format == "int4") arguments.insert(arguments.end(), {"--group-size", "32", "--asymmetric-weights"});
    Result result = hone(arguments);
    ASSERT_EQ(result.code, 0) << format << ": " << result.err;
    EXPECT_GE(result.json()["weights"].size(), 1u);
    EXPECT_LT(result.json()["output_bytes"], result.json()["model_bytes"]);
    Result stored = hone({"bench", out_, "--seconds", "0.05"});
    EXPECT_EQ(stored.code, 0) << "a stored file loads and runs: " << format << ": " << stored.err;
  }
  EXPECT_EQ(hone({"quantize", model_, "--random-data", "-o", out_, "--group-size", "32"}).code, 2);
}

TEST_F(QuantizeCommand, SixteenBitFilesHaveHalfTheSizeAndTheSameOutputs) {
  for (std::string format : {"fp16", "bf16"}) {
    ASSERT_EQ(hone({"quantize", model_, "--weights", format, "-o", out_}).code, 0);
    auto sizes = hone({"quantize", model_, "--weights", format, "-o", out_, "--json"}).json();
    // Of 2,000 weights 1,152 lie in a constant of more than 1,024.
    EXPECT_LT(sizes["output_bytes"].get<double>() + 2000, sizes["model_bytes"].get<double>());
    Result compared = hone({"compare", model_, out_, "--json"});
    ASSERT_FALSE(compared.json()["nodes"].empty()) << compared.err;  // (exit code 1: some numbers differ)
    for (auto& node : compared.json()["nodes"])
      if (!node["exact"].get<bool>())
        EXPECT_GT(node["sqnr_db"].get<double>(), format == "fp16" ? 60 : 40) << node.dump();
  }
}

TEST_F(QuantizeCommand, SevenBitsWhereTheProcessorHasNoVnni) {
  auto seven = [&](const std::string& target) {
    Result result = hone({"quantize", model_, "--random-data", "-o", out_, "--json", "--target-device", target});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.json()["seven_bit_weights"].get<bool>();
  };
  EXPECT_TRUE(seven("cpu-avx2"));
  EXPECT_TRUE(seven("cpu-avx512"));
  EXPECT_FALSE(seven("cpu-vnni"));
  setenv("HONE_CPU", "avx2", 1);  // what the program takes for its processor
  EXPECT_TRUE(seven("auto"));
  Graph graph = import_model(out_);
  for (const Value* constant : graph.constants())
    if (constant->dtype() == DType::i8)
      for (int64_t weight : constant->constant().to_ints()) EXPECT_LE(std::abs(weight), 64);
  unsetenv("HONE_CPU");
}

TEST_F(QuantizeCommand, ReportsSayWhatIsMissing) {
  folder_.write("photos/a.png", colored_png(true, 1));
  const std::string photos = (folder_ / "photos").string();
  Result result = hone({"quantize", model_, "--data", photos, "-o", out_});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("the images have no labels"), HasSubstr("1 sample,"),
                                         HasSubstr("--mean, --std and --channels say otherwise")));
  EXPECT_EQ(hone({"quantize", model_, "--data", photos, "-o", out_, "--mean", "128"}).out.find("say otherwise"),
            std::string::npos);
  Result search = hone({"quantize", model_, "--data", photos, "-o", out_, "--max-drop", "0"});
  EXPECT_EQ(search.code, 1);
  EXPECT_THAT(search.err, HasSubstr("the images have no labels"));
}

TEST_F(QuantizeCommand, TheFileSaysWhatTheFlagsWouldSay) {
  folder_.write("photos/a.png", colored_png(true, 1));
  std::ofstream(folder_ / "config.json") << R"({"data": ")" << (folder_ / "photos").string()
                                         << R"(", "mean": [128, 128, 128], "std": 64, "ignore": ["middle"]})";
  Result result = hone({"quantize", model_, "-o", out_, "--json", "--config", (folder_ / "config.json").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json()["samples"], 1);
  EXPECT_THAT(result.out, HasSubstr("ignored on request"));
}

TEST_F(QuantizeCommand, Sweep) {
  Result result =
      hone({"quantize", model_, "--random-data", "-o", out_, "--sweep", "--plot", (folder_ / "plot.svg").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::AllOf(HasSubstr("entropy"), HasSubstr("performance"), HasSubstr("SQNR dB")));
  EXPECT_THAT(read_text_file(folder_ / "plot.svg"),
              testing::AllOf(HasSubstr("<circle"), HasSubstr("signal over quantization noise, dB"),
                             HasSubstr("latency of one inference, ms"), HasSubstr("mixed, entropy"),
                             HasSubstr("model.onnx in INT8")));
}

TEST_F(QuantizeCommand, KeepingAccuracyNeedsLabels) {
  EXPECT_EQ(hone({"quantize", model_, "--random-data", "-o", out_, "--max-drop", "0.01"}).code, 2);
}

TEST_F(QuantizeCommand, LabelsThatNoModelClassMatchesAreNamed) {
  folder_.write("a.png", colored_png(true, 1));
  folder_.write("names.csv", "file,label\na.png,cat\n");
  folder_.write("numbers.csv", "file,label\na.png,7\n");
  const std::vector<std::string> images{"--mean", "128", "--std", "64", "-o", out_};
  for (const auto& [csv, message] : {std::pair{"names.csv", "no class names to match 'cat' with"},
                                     {"numbers.csv", "has label 7, the model has classes 0 to 3"}}) {
    std::vector<std::string> command{"quantize", model_, "--data", (folder_ / csv).string(), "--max-drop", "0.1"};
    command.insert(command.end(), images.begin(), images.end());
    Result result = hone(command);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr(message));
  }
}

TEST_F(QuantizeCommand, ImagesThatCannotBeUsedAreNamed) {
  folder_.write("photos/a.png", "no image");
  folder_.write("photos/b.png", colored_png(true, 1).substr(0, 100));
  Result none = hone({"quantize", model_, "--data", (folder_ / "photos").string(), "-o", out_});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err,
              testing::AllOf(HasSubstr("none of the 2 images can be used; the first:"), HasSubstr("photos/")));
  folder_.write("photos/c.png", colored_png(true, 1));
  Result one = hone({"quantize", model_, "--data", (folder_ / "photos").string(), "-o", out_});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, testing::AllOf(HasSubstr("1 sample,"), HasSubstr("2 images skipped")));
  const std::string four = (folder_ / "four.onnx").string();
  ASSERT_EQ(hone({"convert", model_, "--batch", "4", "-o", four}).code, 0);
  Result few = hone({"quantize", four, "--data", (folder_ / "photos").string(), "-o", out_});
  EXPECT_EQ(few.code, 1);
  EXPECT_THAT(few.err, HasSubstr("the model takes 4 images at a time, of those given only 1 can be used"));
}

TEST_F(QuantizeCommand, ClassesThatAreCalledByNumbersNeedNoNames) {
  folder_.write("sheets/batch_0.png", colored_png(true, 1, 3, 64));  // three images of 8x8
  folder_.write("sheets/labels.txt", "2\n3\n2\n");
  Result result = hone({"quantize", model_, "--data", (folder_ / "sheets").string(), "--max-drop", "1", "--mean", "128",
                        "--std", "64", "-o", out_});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("(3 images)"));
}

/// Twenty convolutions that quantization cannot leave unharmed, each worth a step of the search.
Graph deep_classifier() {
  std::string text =
      "graph \"deep\" {\n input %x: f32[N, 3, 16, 16]\nconst %w0: f32[8, 3, 3, 3] = random(1)\n%a0 = Conv(%x, %w0)\n";
  for (int i = 1; i <= 20; ++i)
    text += fmt::format("const %w{0}: f32[8, 8, 1, 1] = random({1})\n%c{0} = Conv(%a{2}, %w{0})\n%a{0} = Relu(%c{0})\n",
                        i, i + 1, i - 1);
  text +=
      "const %v: f32[2, 8] = random(3)\n%pool = GlobalAveragePool(%a20)\n%flat = Flatten(%pool)\n%y = Gemm(%flat, %v) "
      "{transB=1}\n"
      "output \"scores\" = %y\n}";
  Graph graph = parse_text(text);
  attach_preprocess(graph, {.height = 16, .width = 16, .mean = {128, 128, 128}, .std = {64, 64, 64}});
  set_labels(graph, {"red", "blue"});
  return graph;
}

TEST_F(QuantizeCommand, ASearchThatIsStoppedGoesOn) {
  const std::string model = app_test::write_model(folder_, "deep.onnx", deep_classifier()),
                    data = write_data(folder_, 60);
  // A metric that nothing reaches: all layers are turned back, one after the other.
  const std::vector<std::string> command{"quantize",      model,      "--data", data, "--max-drop", "0",
                                         "--strict-drop", "--subset", "8",      "-o", out_};
  Process process(command);
  const std::string state = out_ + ".search";
  for (int i = 0; i < 400 && !std::filesystem::exists(state); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  process.send(SIGINT);
  Result stopped = process.wait();
  if (stopped.code == 0) GTEST_SKIP() << "the search was done before it could be stopped";
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr(state));
  EXPECT_TRUE(std::filesystem::exists(state));
  EXPECT_FALSE(std::filesystem::exists(out_));
  Result resumed = hone(command);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out + resumed.err, HasSubstr("goes on from '" + state + "'"));
  EXPECT_TRUE(std::filesystem::exists(out_));
}

}  // namespace
}  // namespace hone::app_test
