#include <gmock/gmock.h>

#include "app/run_hone.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* const every_command[] = {"eval",   "quantize", "optimize", "bench",    "run",    "explain",
                                     "deploy", "inspect",  "report",   "generate", "doctor", "devices"};

TEST(Usage, HelpNamesEveryCommand) {
  Result result = hone({"--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  for (const char* command : every_command) EXPECT_THAT(result.out, HasSubstr(command));
  EXPECT_THAT(result.out, HasSubstr("train"));
}

TEST(Usage, EveryCommandHasHelpAndJson) {
  for (const char* command : every_command) {
    Result result = hone({command, "--help"});
    EXPECT_EQ(result.code, 0) << command;
    EXPECT_EQ(result.err, "") << command;
    EXPECT_THAT(result.out, HasSubstr("--json")) << command;
    EXPECT_EQ(hone({"help", command}).out, result.out) << command;
  }
}

TEST(Usage, NoCommandShowsHelpAsAnError) {
  Result result = hone({});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("bench"));
}

TEST(Usage, UnknownWordsGetTheNearest) {
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  const Case cases[] = {
      {{"benhc"}, "hone: no command 'benhc'; did you mean 'bench'?\n"},
      {{"xyzzyxyzzy"}, "hone: no command 'xyzzyxyzzy'; see hone --help\n"},
      {{"bench", "m.onnx", "--secnds", "1"}, "hone: bench has no option '--secnds'; did you mean '--seconds'?\n"},
      {{"run", "--tpo=3", "m.onnx", "a.png"}, "hone: run has no option '--tpo'; did you mean '--top'?\n"},
      {{"inspect", "m.onnx", "another.onnx"},
       "hone: 'another.onnx' is one argument too many; see hone inspect --help\n"},
      {{"eval"}, "hone: MODEL is required; see hone eval --help\n"},
  };
  for (const Case& c : cases) {
    Result result = hone(c.arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, c.error);
  }
}

TEST(Usage, WrongValues) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "plain.onnx", tiny_classifier()), data = write_data(folder, 1);
  std::string images = write_model(folder, "images.onnx", tiny_image_classifier()),
              out = (folder / "out.onnx").string();
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  const Case cases[] = {
      {{"eval", model, data, "--mean", "1,2"}, "--mean: '1,2' has 2 numbers, expected one or three with commas"},
      {{"eval", model, data, "--mean", "x"}, "--mean: 'x' is not a number"},
      {{"eval", model, data, "--std", "0"}, "--std and --scale must not be 0"},
      {{"eval", model, data, "--std", "1", "--scale", "1"}, "--std and --scale say the same thing"},
      {{"eval", model, data, "--channels", "grb"}, "--channels: got 'grb', expected rgb or bgr"},
      {{"eval", model, data, "--resize", "12y"}, "--resize: '12y' is not a size, expected N or HxW"},
      {{"eval", images, data, "--mean", "1"}, "--mean: this model has its own preprocessing"},
      {{"quantize", model, "-o", out}, "give either --data DATA or --random-data"},
      {{"quantize", model, "--random-data", "-o", "out.bin"}, "-o: 'out.bin' must end in .onnx"},
      {{"quantize", model, "--random-data", "-o", out, "--range", "max"},
       "--range: got 'max', expected auto, entropy, kl, mean, mean_min_max, mean_minmax, min_max, minmax, mse, "
       "percentile"},
      {{"bench", model, "--batch", "0"}, "--batch: 0 is out of range, expected 1 to 65536"},
      {{"bench", model, "--batch", "1.5"}, "--batch: '1.5' is not a whole number, expected 1 to 65536"},
      {{"bench", model, "--seconds", "soon"}, "--seconds: 'soon' is not a number, expected 0 to 86400"},
      {{"bench", model, "--seconds", "nan"}, "--seconds: nan is out of range, expected 0 to 86400"},
      {{"compare", model, "--rtol", "-1"}, "--rtol: -1 is out of range, expected 0 or more"},
      {{"bench", model, "--streams", "0"}, "--streams is '0', expected a number from 1 to 1024, or auto"},
      {{"bench", model, "--streams", "2x"}, "--streams is '2x', expected a number from 1 to 1024, or auto"},
      {{"bench", model, "--streams", "2", "--layers"}, "leave --layers, --explain and --trace out"},
  };
  for (const Case& c : cases) {
    Result result = hone(c.arguments);
    EXPECT_EQ(result.code, 2) << c.error;
    EXPECT_EQ(result.out, "") << c.error;
    EXPECT_THAT(result.err, HasSubstr(c.error));
    EXPECT_THAT(result.err, ::testing::StartsWith("hone: "));
    EXPECT_EQ(lines(result.err), 1) << result.err;
  }
}

TEST(Usage, FullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  std::string command = std::string(HONE_PROGRAM) + " devices >/dev/full 2>/dev/null";
  int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

#ifndef HONE_WITH_TRAIN
TEST(Usage, BuildWithoutTrainingSaysSo) {
  Result result = hone({"train", "data", "-o", "out"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("command 'train': is not in this build"));
}
#endif

}  // namespace
}  // namespace hone::app_test
