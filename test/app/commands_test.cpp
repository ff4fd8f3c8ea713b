#include <gmock/gmock.h>

#include "app/run_hone.hpp"
#include "base/file.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;

/// Runs a command that must print JSON and nothing else on stdout.
nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  Result result = hone(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  nlohmann::json json = result.json();
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

struct Commands : ::testing::Test {
  TemporaryFolder folder;
  std::string data = write_data(folder, 4);
  std::string plain = write_model(folder, "plain.onnx", tiny_classifier());
  std::string images = write_model(folder, "images.onnx", tiny_image_classifier());
};

TEST_F(Commands, InspectSaysWhatIsInside) {
  nlohmann::json json = json_of({"inspect", images});
  EXPECT_EQ(json["inputs"][0]["type"], "u8");
  EXPECT_EQ(json["labels"], (nlohmann::json{"red", "blue"}));
  EXPECT_EQ(json["ops"]["Conv"], 1);
  EXPECT_GT(json["parameters"], 200);
  EXPECT_GT(json["flops"], 0);
  EXPECT_GT(json["peak_activation_bytes"], 0);
  Result text = hone({"inspect", plain, "--text"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("Conv(%x"));
  EXPECT_THAT(text.out, HasSubstr("..."));  // the weights
  EXPECT_THAT(hone({"inspect", images}).out, HasSubstr("red, blue"));
  EXPECT_EQ(hone({"inspect", images, "--optimized"}).code, 0);
}

TEST_F(Commands, BenchReportsWhatThePeersScriptReads) {
  nlohmann::json json = json_of({"bench", plain, "--seconds", "0.01", "--threads", "1", "--batch", "2"});
  for (const char* key :
       {"median_ms", "best_ms", "p90_ms", "throughput", "load_ms", "first_ms", "peak_memory_mb", "arena_mb"})
    EXPECT_TRUE(json[key].is_number()) << key;
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["batch"], 2);
  EXPECT_LE(json["best_ms"], json["median_ms"]);
  EXPECT_LE(json["median_ms"], json["p90_ms"]);
  EXPECT_EQ(json["inputs"][0], (nlohmann::json{{"name", "x"}, {"type", "float32"}, {"dims", {2, 3, 16, 16}}}));
  nlohmann::json image = json_of({"bench", images, "--seconds", "0.01", "--size", "20x30"});
  EXPECT_EQ(image["inputs"][0]["type"], "uint8");
  EXPECT_EQ(image["inputs"][0]["dims"], (nlohmann::json{1, 20, 30, 3}));
}

TEST_F(Commands, BenchOfStreamsSharesTheThreads) {
  nlohmann::json json =
      json_of({"bench", plain, "--seconds", "0.02", "--threads", "4", "--streams", "2", "--batch", "3"});
  EXPECT_EQ(json["streams"], 2);
  EXPECT_EQ(json["threads"], 2) << "of each stream";
  EXPECT_EQ(json["inputs"][0]["dims"][0], 3);
  EXPECT_GE(json["runs"], 2) << "each stream at least once";
  EXPECT_GT(json["throughput"], 0);
  EXPECT_LE(json["median_ms"], json["p90_ms"]);
  EXPECT_TRUE(json["tried"].empty());
  nlohmann::json best = json_of({"bench", plain, "--seconds", "0.02", "--threads", "3", "--streams", "auto"});
  ASSERT_EQ(best["tried"].size(), 3u) << "1, 2 and 3 streams";
  EXPECT_EQ(best["tried"][2]["streams"], 3);
  EXPECT_GT(best["tried"][1]["throughput"], 0);
  EXPECT_THAT(hone({"bench", plain, "--seconds", "0.01", "--threads", "2", "--streams", "auto"}).out,
              HasSubstr("2 streams of 1 thread:"));
}

TEST_F(Commands, BenchWritesATraceOfTheSteps) {
  std::string file = (folder / "trace.json").string();
  nlohmann::json json = json_of({"bench", plain, "--seconds", "0.01", "--layers", "--trace", file});
  nlohmann::json trace = nlohmann::json::parse(read_text_file(file));
  ASSERT_EQ(trace["traceEvents"].size(), json["steps"].size() + 1);  // the process's name is one more
  double end = 0;
  for (size_t i = 1; i < trace["traceEvents"].size(); ++i) {
    const nlohmann::json& event = trace["traceEvents"][i];
    EXPECT_EQ(event["ph"], "X");
    EXPECT_EQ(event["name"], json["steps"][i - 1]["node"]);
    EXPECT_NEAR(event["ts"].get<double>(), end, 1e-6);
    end = event["ts"].get<double>() + event["dur"].get<double>();
  }
}

TEST_F(Commands, BenchLayersAndExplain) {
  nlohmann::json json = json_of({"bench", plain, "--seconds", "0.01", "--layers", "--explain"});
  ASSERT_FALSE(json["steps"].empty());
  EXPECT_TRUE(json["steps"][0]["ms"].is_number());
  EXPECT_FALSE(json["steps"][0]["kernel"].get<std::string>().empty());
  EXPECT_GT(json["peak_gflops"]["f32"], 0);
  EXPECT_GE(json["steps"][1]["share_of_peak"], 0);
  Graph odd = parse_text("graph \"odd\" { input %x: f32[1, 8]\n %y = Celu(%x)\n output \"y\" = %y }");
  Result result =
      hone({"bench", write_model(folder, "odd.onnx", odd), "--seconds", "0.01", "--explain", "--device", "reference"});
  EXPECT_THAT(result.out, HasSubstr("runs by reference evaluation"));
}

TEST_F(Commands, EvalIsTheSameForAPlainModelAndForOneWithPreprocessing) {
  folder.write("labels.txt", "red\nblue\n");
  nlohmann::json with = json_of({"eval", images, data});
  nlohmann::json without =
      json_of({"eval", plain, data, "--mean", "128", "--std", "64", "--labels", (folder / "labels.txt").string()});
  EXPECT_EQ(with["images"], 8);
  // Only the filter of the resize differs, which these images hardly see.
  EXPECT_NEAR(with["top1"].get<double>(), without["top1"].get<double>(), 0.26);
  EXPECT_EQ(with["classes"].size(), 2u);
  EXPECT_EQ(with["confusion"].size(), 2u);
  nlohmann::json batches = json_of({"eval", images, data, "--batch", "3", "--device", "reference"});
  EXPECT_EQ(batches["confusion"], with["confusion"]);
}

TEST_F(Commands, EvalTakesCsvAndImagesOfAnySize) {
  folder.write("data/red/large.png", colored_png(true, 77, 61, 40));
  folder.write("some.csv", "file,label\ndata/red/large.png,red\ndata/red/0.png,red\ndata/blue/1.png,blue\n");
  nlohmann::json json = json_of({"eval", images, (folder / "some.csv").string()});
  EXPECT_EQ(json["images"], 3);
}

TEST_F(Commands, RunNamesTheClass) {
  Result result = hone({"run", images, data + "/red/0.png", "--top", "2"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(lines(result.out), 2);
  EXPECT_THAT(result.out, ::testing::StartsWith(data + "/red/0.png: "));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("(red|blue), [0-9.]+%"));
  nlohmann::json json = json_of({"run", images, data, "--top", "2"});
  ASSERT_EQ(json.size(), 8u);
  double sum = 0;
  for (const auto& entry : json[0]["classes"]) sum += entry["probability"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST_F(Commands, AFolderOfTrainingIsItsModel) {
  std::filesystem::create_directory(folder / "run");
  std::filesystem::copy_file(images, folder / "run/model.onnx");
  EXPECT_EQ(json_of({"inspect", (folder / "run").string()})["inputs"], json_of({"inspect", images})["inputs"]);
  EXPECT_EQ(hone({"run", (folder / "run").string(), data + "/red/0.png"}).code, 0);
  Result empty = hone({"inspect", data});
  EXPECT_EQ(empty.code, 1);
  EXPECT_THAT(empty.err, ::testing::HasSubstr("folder"));
}

TEST_F(Commands, QuantizedModelsKeepTheirInterface) {
  for (bool plain_model : {false, true}) {
    std::string source = plain_model ? plain : images, output = (folder / "out.onnx").string();
    std::vector<std::string> arguments{"quantize", source, "--data", data, "-o", output, "--subset", "6"};
    if (plain_model) arguments.insert(arguments.end(), {"--mean", "128", "--std", "64"});
    nlohmann::json json = json_of(arguments);
    EXPECT_EQ(json["samples"], 6);
    EXPECT_GT(json["quantized_nodes"], 0);
    for (const auto& node : json["fp32"]) EXPECT_NE(node["reason"], "");
    nlohmann::json before = json_of({"inspect", source}), after = json_of({"inspect", output});
    EXPECT_EQ(after["inputs"], before["inputs"]);
    EXPECT_EQ(after["labels"], before["labels"]);
    EXPECT_TRUE(after["ops"].contains("QuantizeLinear"));
  }
  EXPECT_EQ(hone({"quantize", plain, "--random-data", "-o", (folder / "random.onnx").string()}).code, 0);
  EXPECT_EQ(
      hone({"quantize", (folder / "random.onnx").string(), "--random-data", "-o", (folder / "again.onnx").string()})
          .code,
      1);
}

TEST_F(Commands, ReportOfAModelWithoutTrainingRecord) {
  std::filesystem::create_directories(folder / "m");
  write_model(folder, "m/model.onnx", tiny_image_classifier());
  nlohmann::json json = json_of({"report", (folder / "m").string(), "--data", data, "--seconds", "0.01"});
  EXPECT_EQ(json["models"].size(), 1u);
  std::string page = read_text_file(folder / "m/report.html");
  EXPECT_THAT(page, HasSubstr("<!doctype html>"));
  EXPECT_THAT(page, HasSubstr("data:image/jpeg;base64,"));
  EXPECT_THAT(page, ::testing::Not(HasSubstr("http")));
}

TEST(Machine, DoctorDevicesGenerate) {
  nlohmann::json doctor = json_of({"doctor"});
  EXPECT_EQ(doctor["healthy"], true);
  EXPECT_THAT(hone({"doctor"}).out, HasSubstr("cpu"));
  nlohmann::json devices = json_of({"devices"});
  EXPECT_EQ(devices[0]["name"], "cpu");
  TemporaryFolder folder;
  nlohmann::json made = json_of(
      {"generate", (folder / "p").string(), "--images-per-class", "2", "--size", "64", "--classes", "bolt,gear"});
  EXPECT_EQ(made["train_images"], 4);
  EXPECT_EQ(made["validation_images"], 2);
}

}  // namespace
}  // namespace hone::app_test
