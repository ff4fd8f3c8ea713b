#include <gmock/gmock.h>

#include "app/run_hone.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> train_command(const std::string& data, const std::string& out, const std::string& epochs = "3") {
  return {"train", data, "-o", out, "--epochs", epochs, "--size", "16", "--width", "0.1", "--batch", "8", "--threads", "1"};
}

std::vector<std::string> operator+(std::vector<std::string> list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

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
