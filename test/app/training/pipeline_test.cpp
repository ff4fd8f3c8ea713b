#include <fmt/format.h>
#include <gmock/gmock.h>

#include "app/training/train_command.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<double> losses(const nlohmann::json& record) {
  std::vector<double> list;
  for (const auto& epoch : record["history"]) list.push_back(epoch["loss"]);
  return list;
}

TEST(Training, WholeWay) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 20), out = (folder / "m").string();
  folder.write("data/red/broken.jpg", "not a picture");
  Result trained = hone(train_command(data, out));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("2 classes"));
  EXPECT_THAT(trained.err, HasSubstr("1 image skipped"));
  EXPECT_THAT(read_text_file(out + "/skipped.txt"), HasSubstr("broken.jpg: "));
  auto record = nlohmann::json::parse(read_text_file(out + "/train.json"));
  EXPECT_EQ(record["status"], "done");
  EXPECT_EQ(record["history"].size(), 3u);
  EXPECT_EQ(record["train_images"].get<int>() + record["validation_images"].get<int>(), 40);

  std::string model = out + "/model.onnx", int8 = out + "/model.int8.onnx", held = out + "/validation.csv";
  nlohmann::json fp32 = hone({"eval", model, held, "--json"}).json();
  EXPECT_EQ(fp32["images"], record["validation_images"]);
  EXPECT_NEAR(fp32["top1"].get<double>(), record["best_accuracy"].get<double>(), 0.13);  // one image
  Result quantized = hone({"quantize", model, "--data", out + "/train.csv", "-o", int8});
  ASSERT_EQ(quantized.code, 0) << quantized.err;
  EXPECT_THAT(quantized.out, HasSubstr("smaller"));
  EXPECT_EQ(hone({"eval", int8, held}).code, 0);
  EXPECT_THAT(hone({"run", int8, data + "/blue/0.png"}).out, ::testing::ContainsRegex("0.png: (red|blue), [0-9.]+%"));
  Result report = hone({"report", out, "--data", held, "--seconds", "0.02"});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("INT8"));
  std::string page = read_text_file(out + "/report.html");
  for (const char* part : {"Loss", "Accuracy", "Confusion matrix", "throughput", "data:image/jpeg;base64,", "<svg"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("http")));
}

TEST(Training, CtrlCSavesAndResumeContinues) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), whole = (folder / "whole").string(), out = (folder / "m").string();
  ASSERT_EQ(hone(train_command(data, whole)).code, 0);
  Process process(train_command(data, out));
  for (int i = 0; i < 6000 && !std::filesystem::exists(out + "/validation.csv"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  process.send(SIGINT);
  Result stopped = process.wait();
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("interrupted"));
  EXPECT_THAT(stopped.err, HasSubstr("--resume to continue"));
  EXPECT_FALSE(std::filesystem::exists(out + "/model.onnx"));
  // Without the other options: they come from the record of the run.
  Result resumed = hone({"train", data, "-o", out, "--resume", "--json"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(losses(resumed.json()), losses(nlohmann::json::parse(read_text_file(whole + "/train.json"))));
}

TEST(Training, ResumeAfterKillGivesTheSameLosses) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), whole = (folder / "whole").string(), out = (folder / "m").string();
  ASSERT_EQ(hone(train_command(data, whole, "12")).code, 0);
  Process process(train_command(data, out, "12"));
  for (int i = 0; i < 60000 && !std::filesystem::exists(out + "/checkpoint.bin"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  process.send(SIGKILL);
  ASSERT_EQ(process.wait().code, 128 + SIGKILL) << "ended before it was killed";
  EXPECT_FALSE(std::filesystem::exists(out + "/model.onnx"));
  Result resumed = hone({"train", data, "-o", out, "--resume", "--json"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(losses(resumed.json()), losses(nlohmann::json::parse(read_text_file(whole + "/train.json"))));
}

/// A PNG sheet: each of `count` rows is an image of 8x8 pixels, red and blue in turn.
std::string sheet(int count, uint64_t seed) {
  Tensor sheet(DType::u8, {count, 64, 3});
  auto pixels = sheet.mutable_data<uint8_t>();
  Rng rng(seed);
  for (size_t i = 0; i < pixels.size(); ++i) {
    bool red = i / (64 * 3) % 2 == 0;
    pixels[i] = static_cast<uint8_t>(rng.below(60) + (i % 3 == (red ? 0u : 2u) ? 180 : 0));
  }
  return encode_png(sheet);
}

TEST(Training, ImagesThatAreNoFilesGoTheWholeWayByLists) {
  TemporaryFolder folder;
  std::string labels;
  for (int i = 0; i < 90; ++i) labels += i % 2 ? "1\n" : "0\n";
  folder.write("sheets/labels.txt", labels);
  folder.write("sheets/classes.txt", "red\nblue\ngreen\n");
  folder.write("sheets/s_0.png", sheet(30, 1));
  folder.write("sheets/s_2.png", sheet(30, 2));  // after a gap: the test part
  std::string data = (folder / "sheets").string(), out = (folder / "m").string(), model = out + "/model.onnx";
  folder.write("m/train.csv", "of an earlier run with other data");
  Result trained = hone(train_command(data, out));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("2 classes, 24 train, 6 validation and 30 test images"));
  EXPECT_THAT(trained.err, HasSubstr("no images of the classes 'green'"));
  EXPECT_THAT(trained.out, HasSubstr("hone eval " + model + " " + data + " --list " + out + "/validation.txt"));
  EXPECT_FALSE(std::filesystem::exists(out + "/train.csv"));
  EXPECT_THAT(read_text_file(out + "/train.txt"), HasSubstr("s_0.png#"));
  auto record = nlohmann::json::parse(read_text_file(out + "/train.json"));

  nlohmann::json held = hone({"eval", model, data, "--list", out + "/validation.txt", "--json"}).json();
  EXPECT_EQ(held["images"], 6);
  EXPECT_NEAR(held["top1"].get<double>(), record["best_accuracy"].get<double>(), 0.17);  // one image
  EXPECT_EQ(hone({"eval", model, data, "--json"}).json()["images"], 30);  // its test part
  EXPECT_EQ(hone({"eval", model, data, "--part", "all", "--json"}).json()["images"], 60);
  Result quantized =
      hone({"quantize", model, "--data", data, "--list", out + "/train.txt", "-o", out + "/model.int8.onnx"});
  ASSERT_EQ(quantized.code, 0) << quantized.err;
  EXPECT_THAT(quantized.out, HasSubstr("(24 images)"));
  Result report = hone({"report", out, "--data", data, "--list", out + "/validation.txt", "--seconds", "0.02"});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_THAT(read_text_file(out + "/report.html"), HasSubstr("data:image/jpeg;base64,"));

  folder.write("wrong.txt", "s_0.png#0\ns_9.png#0\n");
  Result wrong = hone({"eval", model, data, "--list", (folder / "wrong.txt").string()});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("wrong.txt' line 2: 's_9.png#0' is not an image of the data set"));
}

TEST(Training, TakesATableAndWritesTablesForIt) {
  TemporaryFolder folder;
  write_data(folder, 10);
  std::string table = "image_id;category\n";
  for (int i = 0; i < 10; ++i) table += fmt::format("data/red/{0}.png;apple\ndata/blue/{0}.png;sky\n", i);
  std::string data = folder.write("table.csv", table).string(), out = (folder / "m").string();
  Result trained = hone(train_command(data, out, "1"));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("2 classes, 16 train, 4 validation and 0 test images"));
  EXPECT_EQ(hone({"eval", out + "/model.onnx", out + "/validation.csv", "--json"}).json()["images"], 4);
  EXPECT_EQ(hone({"eval", out + "/model.onnx", data, "--json"}).json()["images"], 20);
  Result unknown = hone(train_command(data, out) + std::vector<std::string>{"--format", "cvs"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'csv'?"));
}

TEST(Training, RefusesBeforeItStarts) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 4), file = folder.write("file", "not a folder").string();
  std::filesystem::create_directories(folder / "empty");
  folder.write("one/red/a.png", colored_png(true, 1));
  folder.write("one/red/b.png", colored_png(true, 2));
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  std::string out = (folder / "m").string();
  const Case cases[] = {
      {train_command(data, file + "/m"), "Not a directory"},
      {train_command((folder / "empty").string(), out), "empty"},
      {train_command((folder / "one").string(), out), "class"},
      {train_command((folder / "nowhere").string(), out), "nowhere"},
      {train_command(data, out) + std::vector<std::string>{"--resume"}, "has no run to continue"},
      {train_command(data, out) + std::vector<std::string>{"--template", "mobilenet"}, "mobilenet_v2"},
      {train_command(data, out) + std::vector<std::string>{"--lr", "-1"}, "learning_rate"},
  };
  for (const Case& c : cases) {
    Result result = hone(c.arguments);
    EXPECT_EQ(result.code, 1) << c.error << result.err;
    EXPECT_THAT(result.err, HasSubstr(c.error));
    EXPECT_THAT(result.err, Not(HasSubstr("epoch"))) << c.error;
    EXPECT_FALSE(std::filesystem::exists(out + "/model.onnx"));
  }
}

}  // namespace
}  // namespace hone::app_test
