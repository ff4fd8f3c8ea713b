// What may go wrong on the way: hone train says it clearly, and nothing that was done is lost.
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "app/training/train_command.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

nlohmann::json record_of(const std::string& out) { return nlohmann::json::parse(read_text_file(out + "/train.json")); }

std::vector<double> losses_of(const std::string& out) {
  nlohmann::json record = record_of(out);
  std::vector<double> list;
  for (auto& epoch : record["history"]) list.insert(list.end(), {epoch["loss"], epoch["validation_loss"]});
  return list;
}

/// Starts `command` and kills it, by no signal that it could catch, when `file` is there.
void run_and_kill(const Words& command, const std::string& file) {
  Process process(command);
  for (int i = 0; i < 30000 && !std::filesystem::exists(file); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  process.send(SIGKILL);
  ASSERT_EQ(process.wait().code, 128 + SIGKILL) << "ended before it was killed";
}

std::string as_shell(const Words& arguments) {
  std::string command = HONE_PROGRAM;
  for (const std::string& word : arguments) command += " " + word;
  return command;
}

struct ShellResult {
  int code;
  std::string err;
};

ShellResult shell(const TemporaryFolder& folder, const std::string& command) {
  std::string err = (folder / "shell.err").string();
  int status = std::system(fmt::format("({}) >/dev/null 2>{}", command, err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text_file(err)};
}

TEST(Robust, AKilledRunFromABackboneResumes) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 12), first = (folder / "first").string();
  ASSERT_EQ(hone(train_command(data, first, "1")).code, 0);
  std::string whole = (folder / "whole").string(), out = (folder / "m").string();
  auto command = [&](const std::string& to) {
    return Words{"train",    data, "-o",      to,  "--backbone", first + "/model.onnx",
                 "--epochs", "8",  "--batch", "4", "--threads",  "1"};
  };
  ASSERT_EQ(hone(command(whole)).code, 0);
  run_and_kill(command(out), out + "/checkpoint.bin");
  // The backbone is part of the checkpoint's graph; its file is read again for its labels.
  Result resumed = hone({"train", data, "-o", out, "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(losses_of(out), losses_of(whole));
}

TEST(Robust, AKilledSearchGoesOn) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), out = (folder / "m").string();
  run_and_kill(train_command(data, out, "4") + Words{"--search", "3"}, out + "/search.json");
  nlohmann::json before = nlohmann::json::parse(read_text_file(out + "/search.json"));
  Result resumed = hone({"train", data, "-o", out, "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  nlohmann::json after = nlohmann::json::parse(read_text_file(out + "/search.json"));
  ASSERT_GT(after.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i], before[i]) << "was done again";
  EXPECT_TRUE(std::filesystem::exists(out + "/model.onnx"));
}

TEST(Robust, TheSameSeedGivesTheSameLosses) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10);
  auto losses = [&](const std::string& name, const std::string& seed) {
    std::string out = (folder / name).string();
    EXPECT_EQ(hone(train_command(data, out, "2") + Words{"--seed", seed}).code, 0);
    return losses_of(out);
  };
  std::vector<double> first = losses("a", "3");
  EXPECT_EQ(first, losses("b", "3"));
  EXPECT_NE(first, losses("c", "4"));
}

TEST(Robust, SmallSetsGetSmallBatches) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 10), out = (folder / "m").string();
  Result trained =
      hone({"train", data, "-o", out, "--epochs", "1", "--size", "16", "--width", "0.1", "--threads", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("batches of 4 images instead of 32"));
  EXPECT_EQ(record_of(out)["options"]["batch_size"], "4");
}

/// The first checkpoint fits, the second beside it does not, as a new one is written whole before it takes the old
/// one's place.
TEST(Robust, AFullDiskLeavesTheOlderCheckpoint) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 12), disk = (folder / "disk").string(), saved = (folder / "saved").string();
  std::filesystem::create_directories(disk);
  std::string whole = (folder / "whole").string();
  ASSERT_EQ(hone(train_command(data, whole, "3")).code, 0);
  auto kilobytes = static_cast<int64_t>(std::filesystem::file_size(whole + "/checkpoint.bin")) * 3 / 2 / 1024 + 100;
  auto in_small_disk = [&](const std::string& command) {
    return shell(folder,
                 fmt::format("unshare -rm sh -c 'mount -t tmpfs -o size={}k none {} && {}'", kilobytes, disk, command));
  };
  if (in_small_disk("true").code != 0) GTEST_SKIP() << "no file system of its own can be mounted here";
  std::string command = as_shell(train_command(data, disk + "/m", "3"));
  ShellResult full = in_small_disk(fmt::format("{}; code=$?; cp -r {}/m {}; exit $code", command, disk, saved));
  EXPECT_THAT(full.err, HasSubstr("No space left on device"));
  EXPECT_THAT(full.err, HasSubstr("training goes on, the checkpoint stays that of batch"));
  Result resumed = hone({"train", data, "-o", saved, "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(losses_of(saved), losses_of(whole));
}

TEST(Robust, ALimitOfFileSizesIsAnErrorAndNoSignal) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 8), out = (folder / "m").string();
  ShellResult limited = shell(folder, "ulimit -f 16; " + as_shell(train_command(data, out)));
  EXPECT_EQ(limited.code, 1);
  EXPECT_THAT(limited.err, HasSubstr("checkpoint.bin"));
  EXPECT_THAT(limited.err, HasSubstr("File too large"));
  EXPECT_FALSE(std::filesystem::exists(out + "/checkpoint.bin"));
}

/// Annotation that names classes that do not exist, and images that are none: left out, counted, listed.
TEST(Robust, AnnotationOfUnknownClassesAndBrokenImagesAreLeftOutAndSaid) {
  TemporaryFolder folder;
  std::string data = write_squares(folder), out = (folder / "m").string();
  folder.write("labels/3.txt", "7 0.5 0.5 0.3 0.3\n");
  folder.write("images/4.png", "broken");
  Result trained = hone(detection_command(data, out) + Words{"--epochs", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("1 boxes whose class is not known were dropped"));
  EXPECT_THAT(trained.err, HasSubstr("1 images that cannot be read were left out"));
  std::string list = read_text_file(out + "/skipped.txt");
  EXPECT_THAT(list, HasSubstr("class 7 of 2"));
  EXPECT_THAT(list, HasSubstr("4.png"));
  EXPECT_EQ(record_of(out)["classes"], (nlohmann::json{"white", "blue"}));
}

TEST(Robust, AClassWithOneImageIsNamed) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 6);
  folder.write("data/green/only.png", colored_png(true, 99));
  Result one = hone(train_command(data, (folder / "m").string()));
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, HasSubstr("class 'green' has 1 usable image"));
}

}  // namespace
}  // namespace hone::app_test
