// run, demo, explain, optimize and deploy, as a user runs them.
#include <gmock/gmock.h>

#include <cstdlib>

#include "app/image_models.hpp"
#include "app/run_hone.hpp"
#include "data/canvas.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string halves_png(int height = 40, int width = 60) {
  Tensor image = Tensor::zeros(DType::u8, {height, width, 3});
  fill_box(image, {0, 0, width / 2.0, double(height)}, {250, 0, 0});
  fill_box(image, {width / 2.0, 0, width / 2.0, double(height)}, {0, 0, 250});
  return encode_png(image);
}

/// An uncompressed video: gray, getting brighter.
std::string gray_video(int frames, int height = 48, int width = 64) {
  std::string text =
      "YUV4MPEG2 W" + std::to_string(width) + " H" + std::to_string(height) + " F25:1 Ip A1:1 C420jpeg\n";
  auto pixels = static_cast<size_t>(height * width);
  for (int i = 0; i < frames; ++i)
    text += "FRAME\n" + std::string(pixels, static_cast<char>(16 + i % 200)) + std::string(pixels / 2, '\x80');
  return text;
}

struct Use : ::testing::Test {
  TemporaryFolder folder;
  std::string detector = write_model(folder, "detector.onnx", fixed_detector());
  std::string segmenter = write_model(folder, "segmenter.onnx", color_segmenter());
  std::string classifier = write_model(folder, "classifier.onnx", color_classifier());
  std::string photo;

  void SetUp() override {
    ::unsetenv("DISPLAY");
    ::unsetenv("WAYLAND_DISPLAY");
    folder.write("photos/a.png", halves_png());
    photo = (folder / "photos/a.png").string();
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
};

TEST_F(Use, RunListsObjectsAndPixels) {
  Result boxes = hone({"run", detector, photo});
  EXPECT_EQ(boxes.code, 0) << boxes.err;
  EXPECT_EQ(boxes.out, photo + ": apple, 90.0%, left 0 top 0 right 30 bottom 20\n" +
                           std::string(photo.size() + 2, ' ') + "pear, 60.0%, left 30 top 20 right 60 bottom 40\n");
  EXPECT_THAT(hone({"run", detector, photo, "--score", "0.95"}).out, HasSubstr("no objects"));
  nlohmann::json json = hone({"run", detector, photo, "--json", "--score", "0.1"}).json();
  ASSERT_EQ(json[0]["objects"].size(), 3u);
  EXPECT_EQ(json[0]["objects"][1]["box"], (nlohmann::json{30.0, 20.0, 60.0, 40.0}));
  json = hone({"run", segmenter, photo, "--json"}).json();
  ASSERT_EQ(json[0]["classes"].size(), 2u);
  EXPECT_NEAR(json[0]["classes"][0]["share"].get<double>(), 0.5, 0.05);
  EXPECT_THAT(hone({"run", segmenter, photo}).out, HasSubstr("% of the pixels"));
  folder.write("photos/broken.png", "no image");
  Result broken = hone({"run", detector, path("photos")});
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.err, HasSubstr("broken.png"));
  EXPECT_THAT(broken.out, HasSubstr("apple"));
}

TEST_F(Use, RunListsAllLabelsThatHold) {
  std::string model = write_model(folder, "multi.onnx", color_classifier("multi-label"));
  EXPECT_EQ(hone({"run", model, photo, "--score", "0.55"}).out, photo + ": red, 62.2%\n");
  EXPECT_EQ(hone({"run", model, photo, "--json", "--score", "0.1"}).json()[0]["classes"].size(), 2u);
  EXPECT_THAT(hone({"run", model, photo, "--score", "0.99"}).out, HasSubstr("no class"));
}

TEST_F(Use, ExplainPointsToTheClass) {
  Result result =
      hone({"explain", classifier, photo, "-o", path("maps"), "--class", "Blue", "--method", "recipro-cam", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  nlohmann::json json = result.json();
  EXPECT_EQ(json["layer"], "feature");
  EXPECT_GT(json["images"][0]["peak"][0], 30);
  EXPECT_TRUE(fs::exists(path("maps/a.recipro-cam.png")));
  Result red = hone({"explain", classifier, path("photos"), "-o", path("maps"), "--class", "0", "--json"});
  EXPECT_LT(red.json()["images"][0]["peak"][0], 30);
  EXPECT_EQ(decode_image(path("maps/a.activation.png")).dim(1), 420);  // enlarged
  EXPECT_THAT(hone({"explain", classifier, photo, "-o", path("maps"), "--class", "blu"}).err, HasSubstr("near: blue"));
  EXPECT_THAT(hone({"explain", detector, photo, "-o", path("maps")}).out, HasSubstr("apple"));
}

TEST_F(Use, ExplainWorksOnInt8Files) {
  std::string small = path("int8.onnx");
  Result made = hone({"quantize", write_model(folder, "tiny.onnx", tiny_image_classifier()), "--data",
                      write_data(folder, 4), "-o", small});
  ASSERT_EQ(made.code, 0) << made.err;
  for (const char* method : {"activation", "eigen-cam", "recipro-cam"}) {
    Result result = hone({"explain", small, photo, "-o", path("maps"), "--method", method});
    EXPECT_EQ(result.code, 0) << method << result.err;
    EXPECT_TRUE(fs::exists(path("maps/a." + std::string(method) + ".png"))) << method;
  }
}

TEST_F(Use, OptimizeTakesTheDataOfTheRun) {
  write_data(folder, 6);
  fs::create_directories(folder / "run");
  std::string csv = "class,file\n";
  for (int i = 0; i < 6; ++i)
    for (const char* name : {"red", "blue"})
      csv += std::string(name) + "," + path("data/" + std::string(name) + "/" + std::to_string(i) + ".png") + "\n";
  folder.write("run/train.csv", csv);
  folder.write("run/validation.csv", csv);
  std::string model = write_model(folder, "run/model.onnx", tiny_image_classifier());
  Result result = hone({"optimize", model, "--seconds", "0.01", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  nlohmann::json json = result.json();
  EXPECT_EQ(json["metric"], "top-1");
  EXPECT_EQ(json["samples"], 12);
  EXPECT_GT(json["speedup"], 0);
  EXPECT_GE(json["metric_after"].get<double>(), json["metric_before"].get<double>() - 0.01);
  EXPECT_TRUE(fs::exists(path("run/model.int8.onnx")));
  Result text =
      hone({"optimize", model, path("data"), "-o", path("other.onnx"), "--seconds", "0.01", "--max-drop", "0.5"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("latency"));
  Result lost = hone({"optimize", classifier});
  EXPECT_EQ(lost.code, 2);
  EXPECT_THAT(lost.err, HasSubstr("give the data set as DATA"));
}

/// A raw head of YOLOX on 32x32 pixels: a bright place of the image is an object there.
Graph tiny_yolox() {
  Graph graph = parse_text(R"(graph "yolox" {
    input %images: f32[1, 3, 32, 32]
    const %w8: f32[85, 3, 8, 8] = random(3)
    const %w16: f32[85, 3, 16, 16] = random(4)
    const %w32: f32[85, 3, 32, 32] = random(5)
    const %scale: f32[] = [0.0002]
    const %rows8: i64[3] = [1, 85, 16]
    const %rows16: i64[3] = [1, 85, 4]
    const %rows32: i64[3] = [1, 85, 1]
    const %four: i64[2] = [4, 81]
    const %axis: i64[1] = [2]
    %x = Mul(%images, %scale)
    %a = Conv(%x, %w8) {strides=[8, 8]}
    %b = Conv(%x, %w16) {strides=[16, 16]}
    %c = Conv(%x, %w32) {strides=[32, 32]}
    %ra = Reshape(%a, %rows8)
    %rb = Reshape(%b, %rows16)
    %rc = Reshape(%c, %rows32)
    %all = Concat(%ra, %rb, %rc) {axis=2}
    %rows = Transpose(%all) {perm=[0, 2, 1]}
    %box, %raw = Split(%rows, %four) {axis=2}
    %score = Sigmoid(%raw)
    %head = Concat(%box, %score) {axis=2}
    output "output" = %head
  })");
  return graph;
}

TEST_F(Use, DetectorsWithARawHeadAreDeployedWithTheirBoxes) {
  std::string raw = write_model(folder, "yolox.onnx", tiny_yolox()), app = path("app");
  folder.write("noise.png", encode_png(random_image(50, 90, 5)));
  std::string image = path("noise.png");
  Result made = hone({"deploy", raw, "-o", app, "--score", "0.2"});
  ASSERT_EQ(made.code, 0) << made.err;
  nlohmann::json before = hone({"run", raw, image, "--score", "0.2", "--json"}).json();
  nlohmann::json after = hone({"run", app + "/model.onnx", image, "--score", "0.2", "--json"}).json();
  const auto &first = before[0]["objects"], &second = after[0]["objects"];
  ASSERT_GT(first.size(), 3u) << before.dump();
  size_t same = 0;
  for (const auto& one : first)
    same += std::any_of(second.begin(), second.end(), [&](const nlohmann::json& two) {
      if (one["label"] != two["label"] || std::abs(one["score"].get<double>() - two["score"].get<double>()) > 0.01)
        return false;
      for (size_t i = 0; i < 4; ++i)
        if (std::abs(one["box"][i].get<double>() - two["box"][i].get<double>()) > 0.5) return false;
      return true;
    });
  EXPECT_GE(same + 1, first.size()) << before.dump() << after.dump();  // one may lie at the threshold
  std::string command = app + "/hone_app " + image + " >" + path("out") + " 2>" + path("err");
  EXPECT_EQ(std::system(command.c_str()), 0) << read_text_file(path("err"));
  EXPECT_EQ(read_text_file(path("out")), hone({"run", app + "/model.onnx", image, "--score", "0.2"}).out);
}

TEST_F(Use, DeployedProgramSaysWhatRunSays) {
  for (const std::string& model : {detector, segmenter, classifier}) {
    std::string app = path("app");
    Result made = hone({"deploy", model, "-o", app});
    ASSERT_EQ(made.code, 0) << made.err;
    for (const char* file :
         {"model.onnx", "labels.txt", "app.conf", "README.md", "hone_app", "src/main.cpp", "src/CMakeLists.txt"})
      EXPECT_TRUE(fs::exists(fs::path(app) / file)) << file;
    std::string command = app + "/hone_app " + photo + " >" + path("out") + " 2>" + path("err");
    EXPECT_EQ(std::system(command.c_str()), 0) << read_text_file(path("err"));
    EXPECT_EQ(read_text_file(path("out")), hone({"run", model, photo}).out);
  }
  EXPECT_NE(std::system((path("app/hone_app") + " " + path("none.png") + " 2>" + path("err")).c_str()), 0);
  EXPECT_THAT(read_text_file(path("err")), HasSubstr("none.png"));
}

#ifdef HONE_WITH_DEMO

TEST_F(Use, DemoDrawsOnImages) {
  Result result = hone({"demo", "-m", detector, "-m", classifier, "-i", path("photos"), "-o", path("out"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.json()["images"][0]["found"].get<std::string>(), HasSubstr("apple 90%: red"));
  EXPECT_EQ(decode_image(path("out/a.png")).dim(1), 420);
  EXPECT_EQ(hone({"demo", "-m", segmenter, "-i", photo, "-o", path("one.jpg")}).code, 0);
  EXPECT_TRUE(fs::exists(path("one.jpg")));
}

TEST_F(Use, DemoReadsAndWritesVideos) {
  std::string clip = folder.write("clip.y4m", gray_video(10)).string();
  for (const char* name : {"out.avi", "out.mp4"}) {
    Result result = hone({"demo", "-m", detector, "-i", clip, "--save", path(name), "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.json()["frames"], 10);
    EXPECT_EQ(result.json()["objects"]["apple"], 10);
    Result again = hone({"demo", "-m", detector, "-i", path(name), "-o", path("frames"), "--frames", "4", "--json"});
    EXPECT_EQ(again.json()["frames"], 4) << again.err;
    EXPECT_EQ(decode_image(path("frames/frame_000004.jpg")).dim(1), 448);  // enlarged when it was written
  }
}

TEST_F(Use, DemoClosesTheVideoOnCtrlC) {
  std::string clip = folder.write("clip.y4m", gray_video(4000)).string();
  Process process({"demo", "-m", detector, "-i", clip, "--save", path("cut.avi"), "--json"});
  for (int i = 0; i < 200 && (!fs::exists(path("cut.avi")) || fs::file_size(path("cut.avi")) < 50000); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  process.send(SIGINT);
  Result result = process.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  ASSERT_FALSE(result.json().is_discarded()) << result.out;
  nlohmann::json again =
      hone({"demo", "-m", detector, "-i", path("cut.avi"), "-o", path("frames"), "--frames", "2", "--json"}).json();
  EXPECT_EQ(again["frames"], 2);
}

TEST_F(Use, DemoSaysWhatIsMissing) {
  Result window = hone({"demo", "-m", detector, "-i", photo});
  EXPECT_EQ(window.code, 1);
  EXPECT_THAT(window.err, ::testing::AnyOf(HasSubstr("there is no display"), HasSubstr("shows no windows")));
  EXPECT_THAT(window.err, HasSubstr("-o DIR"));
  Result camera = hone({"demo", "-m", detector, "-i", "camera:900", "--save", path("c.mp4")});
  EXPECT_EQ(camera.code, 1);
  EXPECT_THAT(camera.err, HasSubstr("camera 900: "));
  EXPECT_EQ(hone({"demo", "-m", detector, "-i", photo, "--save", path("c.mp4")}).code, 2);
  EXPECT_EQ(hone({"demo", "-m", detector, "-i", path("x.mp4"), "--save", path("c.txt")}).code, 2);
  folder.write("no.mp4", "this is no video");
  EXPECT_THAT(hone({"demo", "-m", detector, "-i", path("no.mp4"), "--save", path("c.mp4")}).err,
              HasSubstr("no video that can be decoded"));
}

TEST_F(Use, DemoOnARealVideo) {
  const char* data = std::getenv("HONE_DATA");
  fs::path video =
      (data ? fs::path(data) : fs::path(HONE_SOURCE_DIR) / "../shared") / "data/videos/bottle-detection.mp4";
  if (!fs::exists(video)) GTEST_SKIP() << "no " << video;
  Result result =
      hone({"demo", "-m", segmenter, "-i", video.string(), "--save", path("real.mp4"), "--frames", "5", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.json()["frames"], 5);
}

#endif

}  // namespace
}  // namespace hone::app_test
