#include <gmock/gmock.h>

#include "app/run_hone.hpp"
#include "import/onnx_builder.hpp"

/// Broken input: exit code 1, nothing on stdout, one line on stderr that names what is wrong.
namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_tools::OnnxBuilder;

void expect_error(const std::vector<std::string>& arguments, std::initializer_list<const char*> parts) {
  Result result = hone(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("hone: "));
  for (const char* part : parts) EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(lines(result.err), 1) << result.err;
}

TEST(Errors, MissingFile) {
  expect_error({"inspect", "no/such.onnx"},
               {"'no/such.onnx': cannot open the file: No such file or directory; check the path"});
}

TEST(Errors, TruncatedModel) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "whole.onnx", tiny_classifier()), bytes = read_text_file(model);
  for (double share : {0.2, 0.5, 0.9, 0.99}) {
    folder.write("cut.onnx", bytes.substr(0, static_cast<size_t>(share * static_cast<double>(bytes.size()))));
    for (const char* command : {"inspect", "bench"})
      expect_error({command, (folder / "cut.onnx").string()}, {"cut.onnx"});
  }
}

TEST(Errors, TextFileCalledOnnx) {
  TemporaryFolder folder;
  folder.write("notes.onnx", "These are my notes about the model.\n");
  expect_error({"inspect", (folder / "notes.onnx").string()}, {"notes.onnx", "ONNX"});
  folder.write("empty.onnx", "");
  expect_error({"inspect", (folder / "empty.onnx").string()}, {"empty.onnx", "empty"});
}

TEST(Errors, Cycle) {
  TemporaryFolder folder;
  OnnxBuilder model;
  model.input("x", Shape{1, 4}).output("b");
  model.node({"Add", {"x", "b"}, {"a"}, {}, "one"}).node({"Relu", {"a"}, {"b"}, {}, "two"});
  folder.write("cycle.onnx", model.bytes());
  expect_error({"bench", (folder / "cycle.onnx").string()}, {"cycle", "'one'", "'two'"});
}

TEST(Errors, UnknownOpListsNodeOpAndHelp) {
  TemporaryFolder folder;
  OnnxBuilder model;
  model.input("x", Shape{1, 4}).output("y");
  model.node({"Softmaxx", {"x"}, {"y"}, {}, "odd"});
  folder.write("odd.onnx", model.bytes());
  expect_error({"run", (folder / "odd.onnx").string(), "a.png"}, {"a.png"});
  expect_error({"inspect", (folder / "odd.onnx").string()},
               {"node 'odd'", "op 'Softmaxx'", "did you mean Softmax?", "simplify"});
}

TEST(Errors, WrongInputShape) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 2);
  std::string model = write_model(folder, "m.onnx", tiny_classifier("1"));
  folder.write("labels.txt", "red\nblue\n");
  std::string labels = (folder / "labels.txt").string();
  expect_error({"eval", model, data, "--labels", labels, "--mean", "1", "--resize", "20"},
               {"input 'x': is f32[1, 3, 16, 16], preprocessing resizes to 20x20"});
  expect_error({"bench", model, "--batch", "4"}, {"input 'x': is f32[1, 3, 16, 16], asked for size 4 on axis 0"});
  Graph table = parse_text("graph \"t\" { input %x: f32[N, 4]\n %y = Relu(%x)\n output \"y\" = %y }");
  expect_error({"eval", write_model(folder, "table.onnx", table), data, "--mean", "1"},
               {"input 'x': is f32[N, 4], expected f32[N, 3, height, width]"});
}

TEST(Errors, NotAClassifier) {
  TemporaryFolder folder;
  Graph graph = parse_text("graph \"t\" { input %x: f32[N, 3, 16, 16]\n %y = Relu(%x)\n output \"y\" = %y }");
  std::string data = write_data(folder, 1);
  expect_error({"eval", write_model(folder, "t.onnx", graph), data, "--mean", "1"},
               {"no annotation for segmentation", "2 folders"});
}

TEST(Errors, Labels) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 1), model = write_model(folder, "m.onnx", tiny_image_classifier());
  folder.write("three.txt", "a\nb\nc\n");
  expect_error({"eval", model, data, "--labels", (folder / "three.txt").string()},
               {"3 class names for a model with 2 classes"});
  folder.write("labels.csv", "file,label\ndata/red/0.png,7\n");
  expect_error({"eval", model, (folder / "labels.csv").string()}, {"labels.csv", "line 2"});
  std::filesystem::rename(folder / "data/red", folder / "data/rde");
  expect_error({"eval", model, data}, {"rde", "red"});
}

TEST(Errors, DataFolders) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "m.onnx", tiny_image_classifier());
  std::filesystem::create_directories(folder / "empty");
  expect_error({"eval", model, (folder / "empty").string()}, {"empty"});
  expect_error({"eval", model, (folder / "nowhere").string()}, {"nowhere", "no such file or folder"});
  expect_error({"quantize", model, "--data", (folder / "empty").string(), "-o", (folder / "q.onnx").string()},
               {"empty", "no images"});
}

TEST(Errors, CorruptImagesAreSkippedCountedAndListed) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 3), model = write_model(folder, "m.onnx", tiny_image_classifier());
  folder.write("data/red/broken.png", "no image at all");
  folder.write("data/blue/cut.png", colored_png(false, 5).substr(0, 400));
  Result result = hone({"eval", model, data});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("(6 images"));
  EXPECT_THAT(result.out, HasSubstr("2 images skipped:"));
  EXPECT_THAT(result.out, HasSubstr("broken.png: "));
  EXPECT_THAT(result.out, HasSubstr("cut.png: "));
  nlohmann::json json = hone({"eval", model, data, "--json"}).json();
  ASSERT_EQ(json["skipped"].size(), 2u);
  EXPECT_EQ(json["images"], 6);

  Result run = hone({"run", model, data + "/red/broken.png", data + "/red/0.png"});
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(lines(run.out), 1);
  EXPECT_THAT(run.err, HasSubstr("broken.png"));
}

TEST(Errors, UnwritableOutput) {
  TemporaryFolder folder;
  std::string file = folder.write("file", "not a folder").string();
  std::string model = write_model(folder, "m.onnx", tiny_image_classifier()), data = write_data(folder, 1);
  expect_error({"quantize", model, "--data", data, "-o", file + "/q.onnx"}, {"file"});
  expect_error({"generate", file + "/parts"}, {"cannot create the folder", "Not a directory"});
}

TEST(Errors, DeviceAndKernelNames) {
  TemporaryFolder folder;
  std::string model = write_model(folder, "m.onnx", tiny_image_classifier());
  expect_error({"bench", model, "--device", "gpu"}, {"device 'gpu': is not known; choose one of: cpu, reference"});
  expect_error({"bench", model, "--disable-pass", "fold_batchnorm"}, {"fold_batchnorm"});
}

}  // namespace
}  // namespace hone::app_test
