// hone train for each task, from data to a model that hone eval and hone run take.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "app/training/train_command.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;

nlohmann::json record_of(const std::string& out) { return nlohmann::json::parse(read_text_file(out + "/train.json")); }

TEST(TrainTasks, Detection) {
  TemporaryFolder folder;
  std::string data = write_squares(folder), out = (folder / "m").string();
  std::vector<std::string> command = detection_command(data, out) + std::vector<std::string>{"--epochs", "2"};
  Result trained = hone(command);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("detection, 2 classes"));
  nlohmann::json record = record_of(out);
  EXPECT_EQ(record["task"], "detection");
  EXPECT_EQ(record["template"], "atss");
  EXPECT_EQ(record["metric"], "mAP50");
  EXPECT_TRUE(record.contains("best_mAP50"));
  EXPECT_THAT(read_text_file(out + "/log.csv"), HasSubstr("validation_mAP50"));
  Result measured = hone({"eval", out + "/model.onnx", data, "--list", out + "/validation.txt", "--json"});
  EXPECT_EQ(measured.code, 0) << measured.err;
  EXPECT_EQ(hone({"run", out + "/model.onnx", data + "/images/0.png"}).code, 0);

  std::string images;
  for (int i = 0; i < 16; ++i) {
    folder.write(fmt::format("bare/{}.png", i), square_png(i, i, false));
    images += fmt::format(R"({}{{"id":{},"file_name":"{}.png","width":48,"height":48}})", i ? "," : "", i, i);
  }
  command[1] = folder
                   .write("bare/empty.json",
                          R"({"images":[)" + images + R"(],"annotations":[],"categories":[{"id":1,"name":"white"}]})")
                   .string();
  Result empty = hone(command + std::vector<std::string>{"--task", "detection"});
  EXPECT_EQ(empty.code, 1);
  EXPECT_THAT(empty.err, HasSubstr("object"));
}

TEST(TrainTasks, Segmentation) {
  TemporaryFolder folder;
  std::string data = write_squares_with_masks(folder), out = (folder / "m").string();
  Result trained = hone(segmentation_command(data, out) + std::vector<std::string>{"--epochs", "2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  nlohmann::json record = record_of(out);
  EXPECT_EQ(record["task"], "segmentation");
  EXPECT_EQ(record["template"], "bisenet");
  EXPECT_EQ(record["metric"], "mIoU");
  Result measured = hone({"eval", out + "/model.onnx", folder.path().string(), "--list", out + "/validation.txt"});
  EXPECT_EQ(measured.code, 0) << measured.err;
}

TEST(TrainTasks, MultiLabel) {
  TemporaryFolder folder;
  write_data(folder, 12);
  std::string table = "file,labels\n";
  for (int i = 0; i < 12; ++i) table += fmt::format("data/red/{0}.png,red|warm\ndata/blue/{0}.png,blue\n", i);
  std::string data = folder.write("table.csv", table).string(), out = (folder / "m").string();
  Result trained = hone(train_command(data, out) + std::vector<std::string>{"--task", "multi-label"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  nlohmann::json record = record_of(out);
  EXPECT_EQ(record["task"], "multi-label");
  EXPECT_EQ(record["metric"], "mAP");
  EXPECT_EQ(record["classes"].size(), 3u);
  EXPECT_EQ(hone({"run", out + "/model.onnx", (folder / "data/red/0.png").string()}).code, 0);
}

TEST(TrainTasks, Hierarchical) {
  TemporaryFolder folder;
  for (int i = 0; i < 6; ++i)
    for (const char* leaf : {"warm/red", "warm/rose", "cold/blue"})
      folder.write(fmt::format("data/{}/{}.png", leaf, i), colored_png(leaf[0] == 'w', static_cast<uint64_t>(i)));
  std::string data = (folder / "data").string(), out = (folder / "m").string();
  Result trained = hone(train_command(data, out) + std::vector<std::string>{"--hierarchical"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(record_of(out)["classes"], (nlohmann::json{"cold/blue", "warm/red", "warm/rose"}));
  folder.write("data/warm/7.png", colored_png(true, 7));
  Result mixed = hone(train_command(data, out) + std::vector<std::string>{"--hierarchical"});
  EXPECT_EQ(mixed.code, 1);
  EXPECT_THAT(mixed.err, HasSubstr("only the lowest folders have images"));
}

TEST(TrainTasks, AnOlderModelLearnsAnotherClass) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), first = (folder / "first").string(), second = (folder / "second").string();
  ASSERT_EQ(hone(train_command(data, first)).code, 0);
  for (int i = 0; i < 10; ++i)
    folder.write(fmt::format("more/gray/{}.png", i), encode_png(random_image(24, 32, static_cast<uint64_t>(i))));
  for (int i = 0; i < 10; ++i)
    folder.write(fmt::format("more/red/{}.png", i), colored_png(true, static_cast<uint64_t>(50 + i)));
  std::string backbone = first + "/model.onnx";
  std::vector<std::string> command = {
      "train", (folder / "more").string(), "-o", second, "--backbone", backbone, "--epochs", "1", "--threads", "1"};
  Result trained = hone(command);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("1 of the classes are known already; 1 that the data has no images of are kept"));
  EXPECT_EQ(record_of(second)["classes"], (nlohmann::json{"gray", "red", "blue"}));
  EXPECT_EQ(record_of(second)["size"], "16x16");  // as the older model
  EXPECT_THAT(hone({"run", second + "/model.onnx", data + "/red/0.png"}).out, HasSubstr("red"));
  Result frozen = hone(command + std::vector<std::string>{"--freeze-backbone", "--json"});
  ASSERT_EQ(frozen.code, 0) << frozen.err;
  EXPECT_EQ(frozen.json()["history"].size(), 1u);
  Result wrong = hone(command + std::vector<std::string>{"--cut", "nowhere"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("has no value 'nowhere'"));
  Result both = hone(command + std::vector<std::string>{"--template", "mobilenet_v2"});
  EXPECT_THAT(both.err, HasSubstr("cannot be given together with --backbone"));
}

TEST(TrainTasks, ARecipeFileIsWeakerThanTheCommandLine) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 8), out = (folder / "m").string();
  std::string recipe =
      folder.write("recipe.json", R"({"lr": 0.03, "epochs": 7, "optimizer": "adamw", "flip": 0.25})").string();
  Result trained = hone(train_command(data, out, "1") + std::vector<std::string>{"--recipe", recipe});
  ASSERT_EQ(trained.code, 0) << trained.err;
  nlohmann::json record = record_of(out);
  EXPECT_EQ(record["options"]["learning_rate"], "0.03");
  EXPECT_EQ(record["options"]["optimizer"], "adamw");
  EXPECT_EQ(record["options"]["epochs"], "1");
  EXPECT_THAT(record["options"]["augment"].get<std::string>(), HasSubstr("flip 0.25"));
  folder.write("recipe.json", R"({"lrr": 0.03})");
  Result unknown = hone(train_command(data, out) + std::vector<std::string>{"--recipe", recipe});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("unknown option 'lrr'; did you mean 'lr'?"));
  folder.write("recipe.json", R"({"lr": "fast"})");
  EXPECT_THAT(hone(train_command(data, out) + std::vector<std::string>{"--recipe", recipe}).err,
              HasSubstr("no value for it"));
}

TEST(TrainTasks, TimeChoosesWidthAndSize) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), out = (folder / "m").string();
  Result trained = hone({"train", data, "-o", out, "--time", "3s", "--threads", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("passes over the images"));
  nlohmann::json record = record_of(out);
  for (const char* name : {"width", "size", "template", "batch"}) EXPECT_TRUE(record["chosen"].contains(name)) << name;
  EXPECT_NEAR(std::stod(record["options"]["max_minutes"].get<std::string>()), 0.05, 1e-9);
  Result wrong = hone({"train", data, "-o", out, "--time", "soon"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("expected a time such as 10m"));
}

TEST(TrainTasks, SearchTriesSettingsAndGoesOn) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), out = (folder / "m").string();
  std::vector<std::string> command = train_command(data, out) + std::vector<std::string>{"--search", "4"};
  Result trained = hone(command);
  ASSERT_EQ(trained.code, 0) << trained.err;
  nlohmann::json trials = nlohmann::json::parse(read_text_file(out + "/search.json"));
  ASSERT_EQ(trials.size(), 6u);  // four, then two
  EXPECT_TRUE(trials[0]["settings"].empty());
  EXPECT_TRUE(trials[1]["settings"].contains("lr"));
  EXPECT_FALSE(trials[1]["settings"].contains("size"));  // it was given
  EXPECT_EQ(trials[5]["rung"], 1);
  EXPECT_EQ(record_of(out)["options"]["epochs"], "3");

  // As if it had been stopped in the second trial: what is done is not done again.
  trials.erase(trials.begin() + 1, trials.end());
  trials[0]["metric"] = 7.0;
  folder.write("m/search.json", trials.dump());
  std::filesystem::remove(out + "/checkpoint.bin");
  Result resumed = hone({"train", data, "-o", out, "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("trial 0 {}: accuracy 700.0%"));
  EXPECT_EQ(nlohmann::json::parse(read_text_file(out + "/search.json")).size(), 6u);
}

TEST(TrainTasks, FindsALearningRate) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), out = (folder / "m").string();
  Result trained = hone(train_command(data, out, "1") + std::vector<std::string>{"--find-lr"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("learning rate 0.02: validation loss"));
  nlohmann::json record = record_of(out);
  EXPECT_EQ(std::stod(record["options"]["learning_rate"].get<std::string>()), record["chosen"]["lr"].get<double>());
}

TEST(TrainTasks, RefusesWhatDoesNotFit) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 4), out = (folder / "m").string();
  struct Case {
    std::vector<std::string> more;
    const char* error;
  };
  const Case cases[] = {
      {{"--task", "anomaly"}, "is anomaly, hone train has"},
      {{"--task", "detection"}, "has no annotation for detection"},
      {{"--template", "unet"}, "unet is for segmentation, the data is for classification"},
      {{"--backbone", "nowhere.onnx"}, "nowhere.onnx"},
      {{"--backbone", data + "/red/0.png"}, "0.png"},
  };
  for (const Case& c : cases) {
    Result result = hone(train_command(data, out) + c.more);
    EXPECT_EQ(result.code, 1) << c.error;
    EXPECT_THAT(result.err, HasSubstr(c.error));
    EXPECT_FALSE(std::filesystem::exists(out + "/model.onnx"));
  }
}

TEST(TrainTasks, DataErrorsAreSaid) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 6), out = (folder / "m").string();
  folder.write("data/green/only.png", colored_png(true, 99));
  Result one = hone(train_command(data, out));
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, HasSubstr("'green'"));
  folder.write("data/green/only.png", "broken");
  Result broken = hone(train_command(data, out));
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.err, HasSubstr("green"));
  std::string table =
      folder.write("table.csv", "file,label\ndata/red/0.png,red\ndata/red/1.png,red\ndata/red/2.png,red\n").string();
  EXPECT_THAT(hone(train_command(table, out)).err, HasSubstr("only one class ('red')"));
}

TEST(TrainTasks, AFullDiskIsSaid) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 6), out = (folder / "disk").string(), err = (folder / "err").string();
  std::filesystem::create_directories(out);
  auto in_small_disk = [&](const std::string& command) {
    return std::system(
        fmt::format("unshare -rm sh -c 'mount -t tmpfs -o size=128k none {} && {}' 2>{}", out, command, err).c_str());
  };
  if (in_small_disk("true") != 0) GTEST_SKIP() << "no file system of its own can be mounted here";
  std::string command = HONE_PROGRAM;
  for (const std::string& word : train_command(data, out + "/m")) command += " " + word;
  int status = in_small_disk(command);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_THAT(read_text_file(err), HasSubstr("No space left on device"));
}

}  // namespace
}  // namespace hone::app_test
