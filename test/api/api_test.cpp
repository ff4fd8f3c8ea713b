#include <hone/hone.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>

#include "api/models.hpp"
#include "temporary_folder.hpp"

namespace {

using testing::HasSubstr;

struct Api : testing::Test {
  hone::TemporaryFolder folder;
  std::filesystem::path plain = folder / "plain.onnx", image = folder / "image.onnx", two = folder / "two.onnx";

  Api() {
    api_test::write_plain_classifier(plain);
    api_test::write_image_classifier(image);
    api_test::write_two_inputs(two);
  }
};

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const hone::Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<float> pixels(int64_t batch) {
  std::vector<float> values(static_cast<size_t>(batch) * 3 * 16 * 16);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 37) % 101) / 101 - 0.5f;
  return values;
}

TEST_F(Api, PlansOfAnEarlierStart) {
  const std::string cache = (folder / "cache").string();
  std::vector<float> expected;
  for (int start = 0; start < 3; ++start) {
    hone::Model model(plain, {.threads = 1, .cache_dir = cache});
    EXPECT_EQ(model.labels(), (std::vector<std::string>{"red", "blue"}));
    EXPECT_EQ(to_string(model.inputs()[0].shape), "[N, 3, 16, 16]");
    hone::Session session(model);
    std::vector<float> values = pixels(2);
    auto outputs = session.run({hone::Tensor::view<float>({2, 3, 16, 16}, values)});
    std::vector<float> scores(outputs[0].data<float>().begin(), outputs[0].data<float>().end());
    if (start == 0) expected = scores;
    EXPECT_EQ(scores, expected);
  }
  int plans = 0;
  for (const auto& file : std::filesystem::directory_iterator(cache)) plans += file.path().extension() == ".plan";
  EXPECT_EQ(plans, 1);
  EXPECT_THAT(error_of([&] { hone::Model(folder / "none.onnx", {.cache_dir = cache}); }), HasSubstr("none.onnx"));
}

TEST_F(Api, AModelSaysWhatItTakesAndGives) {
  hone::Model model(plain);
  ASSERT_EQ(model.inputs().size(), 1u);
  EXPECT_EQ(model.inputs()[0].name, "x");
  EXPECT_EQ(model.inputs()[0].dtype, hone::DType::f32);
  EXPECT_EQ(to_string(model.inputs()[0].shape), "[N, 3, 16, 16]");
  EXPECT_FALSE(model.inputs()[0].shape.is_static());
  EXPECT_EQ(model.inputs()[0].shape.dims[0].symbol, "N");
  EXPECT_EQ(model.inputs()[0].shape.dims[3].size, 16);
  EXPECT_EQ(model.outputs()[0].name, "scores");
  EXPECT_EQ(model.labels(), (std::vector<std::string>{"red", "blue"}));
  EXPECT_EQ(hone::Model(image).metadata().at("author"), "test");
  EXPECT_EQ(hone::Model(two).input_index("b"), 1u);
  EXPECT_EQ(hone::Model(two).output_index("last"), 1u);
  EXPECT_THAT(error_of([&] { model.input_index("y"); }), HasSubstr("'x'"));
  EXPECT_STREQ(hone::version(), HONE_VERSION);
}

TEST_F(Api, DevicesAgreeAndOutputsMayBePreallocated) {
  std::vector<float> values = pixels(2), room(4, -1);
  hone::Tensor input = hone::Tensor::view<float>({2, 3, 16, 16}, values);
  EXPECT_EQ(input.raw(), values.data());
  std::vector<float> expected;
  for (const hone::DeviceInfo& device : hone::devices()) {
    hone::Model model(plain, {.device = device.name, .threads = 1});
    hone::Session session(model);
    std::vector<hone::Tensor> outputs = session.run({input});
    ASSERT_EQ(to_string(outputs.at(0)), "f32[2, 2]");
    std::vector<hone::Tensor> mine{hone::Tensor::view<float>({2, 2}, room)};
    session.run(std::span<const hone::Tensor>(&input, 1), mine);
    EXPECT_EQ(mine[0].raw(), room.data());
    EXPECT_EQ(std::memcmp(room.data(), outputs[0].raw(), 16), 0) << device.name;
    if (expected.empty()) expected = outputs[0].to_floats();
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(room[i], expected[i], 1e-4) << device.name;
  }
}

TEST_F(Api, AReadOnlyViewIsAnInputOnly) {
  const std::vector<float> values = pixels(1);
  hone::Tensor input = hone::Tensor::view<const float>({1, 3, 16, 16}, values);
  EXPECT_TRUE(input.read_only());
  EXPECT_THAT(error_of([&] { input.mutable_raw(); }), HasSubstr("must not be written"));
  hone::Session session((hone::Model(plain)));
  const float room[2] = {};
  std::vector<hone::Tensor> outputs{hone::Tensor::view<const float>({1, 2}, room)};
  EXPECT_THAT(error_of([&] { session.run(std::span<const hone::Tensor>(&input, 1), outputs); }),
              HasSubstr("output 'scores'"));
  EXPECT_EQ(session.run({input})[0].dims(), (hone::Dims{1, 2}));
}

TEST_F(Api, OutputsNeverShareMemoryWithInputsOrConstants) {
  api_test::write_pass_through(folder / "through.onnx");
  for (const hone::DeviceInfo& device : hone::devices()) {
    hone::Session session(hone::Model(folder / "through.onnx", {.device = device.name}));
    float first[2] = {1, 2}, second[2] = {3, 4};
    std::vector<hone::Tensor> outputs(2), input{hone::Tensor::view<float>({1, 2}, first)};
    session.run(input, outputs);
    outputs[1].mutable_data<float>()[0] = 70;
    input[0] = hone::Tensor::view<float>({1, 2}, second);
    session.run(input, outputs);
    EXPECT_EQ(first[0], 1) << device.name;
    EXPECT_EQ(outputs[0].to_floats(), (std::vector<float>{3, 4})) << device.name;
    EXPECT_EQ(outputs[1].to_floats(), (std::vector<float>{7, 8})) << device.name;
  }
}

TEST_F(Api, WhatWasMovedFromSaysSo) {
  hone::Model model(plain), model_now = std::move(model);
  EXPECT_THAT(error_of([&] { hone::Session session(model); }), HasSubstr("Model: was moved from"));
  EXPECT_THAT(error_of([&] { hone::Streams streams(model); }), HasSubstr("Model: was moved from"));
  EXPECT_THAT(error_of([&] { model.input_index("x"); }), HasSubstr("Model: was moved from"));
  EXPECT_TRUE(model.inputs().empty() && model.outputs().empty() && model.labels().empty());
  EXPECT_TRUE(model.metadata().empty());
  EXPECT_EQ(model.options().device, "cpu");

  hone::Session session(model_now), session_now = std::move(session);
  EXPECT_THAT(error_of([&] { session.run({hone::Tensor()}); }), HasSubstr("Session: was moved from"));
  EXPECT_THAT(error_of([&] { session.run({{"x", hone::Tensor()}}); }), HasSubstr("Session: was moved from"));
  EXPECT_THAT(error_of([&] { session.set_profiling(true); }), HasSubstr("Session: was moved from"));
  EXPECT_THAT(error_of([&] { session.profile(); }), HasSubstr("Session: was moved from"));
  EXPECT_THAT(error_of([&] { session.weight_bytes(); }), HasSubstr("Session: was moved from"));

  hone::Streams streams(model_now, {.streams = 1}), streams_now = std::move(streams);
  std::vector<hone::Tensor> inputs(1);
  EXPECT_THAT(error_of([&] { streams.submit(inputs); }), HasSubstr("Streams: was moved from"));
  EXPECT_THAT(error_of([&] { streams.try_submit(inputs, [](auto, auto) {}); }), HasSubstr("Streams: was moved from"));
  streams.wait();
  EXPECT_EQ(streams.streams(), 0);

  hone::Classifier classifier(image), classifier_now = std::move(classifier);
  const uint8_t rgb[3] = {};
  EXPECT_THAT(error_of([&] { classifier.classify({rgb, 1, 1}); }), HasSubstr("Classifier: was moved from"));
  EXPECT_EQ(classifier.classes(), 0);
  EXPECT_TRUE(classifier.labels().empty());
}

TEST_F(Api, WrongUseIsAnErrorThatNamesThePlace) {
  EXPECT_THAT(error_of([&] { hone::Model(folder / "none.onnx"); }), HasSubstr("none.onnx"));
  EXPECT_THAT(error_of([&] { hone::Model(plain, {.device = "gpu"}); }), HasSubstr("choose one of: cpu"));
  hone::Session session((hone::Model(plain)));
  EXPECT_THAT(error_of([&] { session.run({}); }), HasSubstr("got 0 inputs"));
  hone::Tensor wrong(hone::DType::f32, {1, 1, 16, 16});
  EXPECT_THAT(error_of([&] { session.run({wrong}); }), HasSubstr("input 'x': got f32[1, 1, 16, 16]"));
  EXPECT_THAT(error_of([&] { session.run({hone::Tensor()}); }), HasSubstr("input 'x'"));
  hone::Tensor input(hone::DType::f32, {1, 3, 16, 16});
  std::memset(input.mutable_raw(), 0, input.bytes());
  std::vector<hone::Tensor> small{hone::Tensor(hone::DType::f32, {1, 3})};
  EXPECT_THAT(error_of([&] { session.run(std::span<const hone::Tensor>(&input, 1), small); }),
              HasSubstr("output 'scores': is f32[1, 2], got a f32[1, 3]"));
  EXPECT_EQ(session.run({input}).size(), 1u);  // and goes on working
  try {
    hone::Model(folder / "none.onnx");
  } catch (const std::runtime_error& error) {
    EXPECT_NE(dynamic_cast<const hone::Error*>(&error), nullptr);
  }
}

TEST(Tensors, ViewsAreChecked) {
  float memory[6] = {1, 2, 3, 4, 5, 6};
  EXPECT_THAT(error_of([&] { hone::Tensor::view<float>({2, 4}, memory); }), HasSubstr("24 bytes"));
  EXPECT_THAT(error_of([&] { hone::Tensor::view<float>({-1, 6}, memory); }), testing::Not("no error"));
  EXPECT_THAT(error_of([&] { hone::Tensor::view(hone::DType::f32, {1}, static_cast<void*>(nullptr), 4); }),
              HasSubstr("null"));
  EXPECT_THAT(error_of([&] { hone::Tensor::view(hone::DType::f32, {1}, reinterpret_cast<char*>(memory) + 1, 4); }),
              HasSubstr("not aligned"));
  EXPECT_THAT(error_of([&] { hone::Tensor(hone::DType::string, {1}); }), HasSubstr("of_strings"));
  hone::Tensor view = hone::Tensor::view<float>({2, 3}, memory);
  EXPECT_THAT(error_of([&] { view.data<int>(); }), HasSubstr("f32[2, 3]"));
  hone::Tensor copy = view.clone(), flat = view.reshaped({6});
  memory[5] = 60;
  EXPECT_EQ(view.data<float>()[5], 60);
  EXPECT_EQ(flat.data<float>()[5], 60);
  EXPECT_EQ(copy.data<float>()[5], 6);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copy.raw()) % 64, 0u);
  const uint16_t half[1] = {0x3c00};
  EXPECT_EQ(hone::Tensor::view(hone::DType::f16, {1}, half, 2).to_floats(), std::vector<float>{1});
  EXPECT_EQ(hone::Tensor::of_strings({2}, {"a", "b"}).strings()[1], "b");
  hone::Tensor none;
  EXPECT_FALSE(none.defined());
  EXPECT_EQ(none.bytes(), 0u);
  EXPECT_FALSE(none.clone().defined());
}

TEST_F(Api, InputsByName) {
  hone::Session session((hone::Model(two)));
  float a[4] = {1, -2, 3, 4};
  int64_t b[4] = {10, 20, 30, 40};
  std::map<std::string, hone::Tensor> inputs{{"a", hone::Tensor::view<float>({1, 4}, a)},
                                             {"b", hone::Tensor::view<int64_t>({1, 4}, b)}};
  auto outputs = session.run(inputs);
  EXPECT_EQ(outputs.at("sum").to_floats(), (std::vector<float>{11, 18, 33, 44}));
  EXPECT_EQ(outputs.at("last").to_floats(), (std::vector<float>{1, 0, 3, 4}));
  inputs["c"] = inputs["a"];
  EXPECT_THAT(error_of([&] { session.run(inputs); }), HasSubstr("input 'c'"));
  EXPECT_THAT(error_of([&] { session.run({{"a", inputs["a"]}}); }), HasSubstr("input 'b': was not given"));
}

TEST_F(Api, AModelFromMemory) {
  std::ifstream file(plain, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  hone::Model model = hone::Model::from_memory(std::as_bytes(std::span(bytes)));
  bytes.assign(bytes.size(), 0);  // it was copied
  std::vector<float> values = pixels(1);
  hone::Tensor input = hone::Tensor::view<float>({1, 3, 16, 16}, values);
  hone::Session a(model), b((hone::Model(plain)));
  EXPECT_EQ(a.run({input})[0].to_floats(), b.run({input})[0].to_floats());
  EXPECT_THAT(error_of([&] { hone::Model::from_memory(std::as_bytes(std::span(bytes))); }),
              HasSubstr("model in memory"));
}

TEST_F(Api, ProfilingNamesEveryStep) {
  hone::Session session((hone::Model(plain)));
  EXPECT_TRUE(session.profile().layers.empty());
  std::vector<float> values = pixels(1);
  hone::Tensor input = hone::Tensor::view<float>({1, 3, 16, 16}, values);
  session.set_profiling(true);
  for (int i = 0; i < 3; ++i) session.run({input});
  hone::Profile profile = session.profile();
  EXPECT_EQ(profile.runs, 3);
  ASSERT_FALSE(profile.layers.empty());
  double total = 0;
  for (const hone::LayerProfile& layer : profile.layers) {
    EXPECT_FALSE(layer.kernel.empty());
    total += layer.milliseconds;
  }
  EXPECT_GT(total, 0);
  EXPECT_GT(session.weight_bytes(), 0u);
}

TEST_F(Api, StreamsGiveTheResultsOfASession) {
  hone::Model model(plain);
  hone::Streams streams(model, {.streams = 3, .queue = 2});
  EXPECT_EQ(streams.streams(), 3);
  hone::Session session(model);
  std::vector<std::vector<float>> inputs, expected;
  for (int64_t i = 0; i < 20; ++i) inputs.push_back(pixels(1 + i % 3));
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i][0] += static_cast<float>(i);
  auto tensor = [&](size_t i) {
    return hone::Tensor::view<float>({static_cast<int64_t>(1 + i % 3), 3, 16, 16}, inputs[i]);
  };
  for (size_t i = 0; i < inputs.size(); ++i) expected.push_back(session.run({tensor(i)})[0].to_floats());
  std::vector<std::future<std::vector<hone::Tensor>>> futures;
  for (size_t i = 0; i < inputs.size(); ++i) futures.push_back(streams.submit({tensor(i)}));
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<float> got = futures[i].get()[0].to_floats();
    ASSERT_EQ(got.size(), expected[i].size());
    for (size_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], expected[i][k], 1e-4) << i;
  }
  // Outputs in place.
  std::vector<float> room(2);
  streams.submit({tensor(0)}, std::vector<hone::Tensor>{hone::Tensor::view<float>({1, 2}, room)}).get();
  EXPECT_NEAR(room[1], expected[0][1], 1e-4);
}

TEST_F(Api, StreamsReportErrorsAndCallBack) {
  std::atomic<int> done{0}, failed{0};
  std::vector<float> values = pixels(1);
  {
    hone::Streams streams(hone::Model(plain), {.streams = 2});
    hone::Tensor good = hone::Tensor::view<float>({1, 3, 16, 16}, values), bad(hone::DType::f32, {1, 2});
    EXPECT_THAT(error_of([&] { streams.submit({bad}).get(); }), HasSubstr("input 'x'"));
    for (int i = 0; i < 10; ++i)
      streams.submit({i % 2 ? bad : good}, [&](std::vector<hone::Tensor> outputs, std::exception_ptr error) {
        (error ? failed : done) += error ? 1 : static_cast<int>(outputs.size());
      });
    streams.wait();
    EXPECT_EQ(done, 5);
    EXPECT_EQ(failed, 5);
    // One that cannot be taken now stays with the caller.
    int refused = 0;
    for (int i = 0; i < 1000; ++i) {
      std::vector<hone::Tensor> inputs{good};
      bool taken = streams.try_submit(inputs, [&](auto, auto) { ++done; });
      EXPECT_EQ(inputs.empty(), taken);
      refused += !taken;
    }
    streams.submit({good}, [&](auto, auto) {
      ++done;
      throw std::runtime_error("thrown by a callback");
    });
    hone::Streams moved = std::move(streams);
    EXPECT_EQ(moved.streams(), 2);
    done += refused;
  }
  EXPECT_EQ(done, 5 + 1000 + 1);  // the end waits for all
}

TEST_F(Api, LogGoesWhereTheProgramWants) {
  std::vector<std::string> messages;
  hone::set_log_sink([&](hone::LogLevel level, const std::string& message) {
    if (level == hone::LogLevel::error) messages.push_back(message);
  });
  {
    hone::Streams streams(hone::Model(plain), {.streams = 1});
    std::vector<float> values = pixels(1);
    streams.submit({hone::Tensor::view<float>({1, 3, 16, 16}, values)},
                   [](auto, auto) { throw std::runtime_error("oops"); });
  }
  hone::set_log_sink({});
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_THAT(messages[0], HasSubstr("oops"));
}

/// height x width of one color with some noise, in any format.
std::vector<uint8_t> colored(int height, int width, hone::PixelFormat format, bool red, size_t stride) {
  size_t step = format == hone::PixelFormat::rgb || format == hone::PixelFormat::bgr ? 3 : 4;
  bool swapped = format == hone::PixelFormat::bgr || format == hone::PixelFormat::bgra;
  std::vector<uint8_t> data(static_cast<size_t>(height) * stride, 255);
  for (size_t y = 0; y < static_cast<size_t>(height); ++y)
    for (size_t x = 0; x < static_cast<size_t>(width); ++x)
      for (size_t c = 0; c < 3; ++c)
        data[y * stride + x * step + c] =
            static_cast<uint8_t>((c == (red != swapped ? 0u : 2u) ? 180 : 20) + (x * 7 + y * 3) % 40);
  return data;
}

TEST_F(Api, ClassifierTakesImagesOfAnySizeFormatAndStride) {
  hone::Classifier classifier(image);
  EXPECT_EQ(classifier.classes(), 2);
  EXPECT_EQ(classifier.labels()[0], "red");
  using hone::PixelFormat;
  std::vector<std::vector<uint8_t>> memory;
  std::vector<hone::ImageView> images;
  std::vector<std::string> expected;
  for (PixelFormat format : {PixelFormat::rgb, PixelFormat::bgr, PixelFormat::rgba, PixelFormat::bgra})
    for (bool red : {true, false})
      for (size_t extra : {0, 5}) {
        int height = 20 + static_cast<int>(memory.size()), width = 31;
        size_t row = static_cast<size_t>(width) * (format == PixelFormat::rgb || format == PixelFormat::bgr ? 3 : 4);
        memory.push_back(colored(height, width, format, red, row + extra));
        images.push_back({memory.back().data(), height, width, format, extra ? row + extra : 0});
        expected.push_back(red ? "red" : "blue");
      }
  auto together = classifier.classify(images, 1);
  ASSERT_EQ(together.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    auto alone = classifier.classify(images[i]);
    ASSERT_EQ(alone.size(), 2u);
    EXPECT_EQ(alone[0].label, expected[i]) << i;
    EXPECT_GT(alone[0].probability, 0.9f);
    EXPECT_NEAR(alone[0].probability + alone[1].probability, 1, 1e-5);
    ASSERT_EQ(together[i].size(), 1u);
    EXPECT_EQ(together[i][0].index, alone[0].index);
    EXPECT_NEAR(together[i][0].probability, alone[0].probability, 1e-5);
  }
  uint8_t gray[6] = {10, 20, 30, 40, 50, 60};
  EXPECT_NEAR(classifier.classify({gray, 2, 3, PixelFormat::gray})[0].probability, 0.5, 1e-4);
}

TEST_F(Api, ClassifierErrors) {
  EXPECT_THAT(error_of([&] { hone::Classifier c(plain); }), HasSubstr("ClassifierOptions::preprocess"));
  hone::ClassifierOptions options;
  options.preprocess = hone::Preprocess{.mean = {128, 128, 128}, .std = {64, 64, 64}};
  EXPECT_THAT(error_of([&] { hone::Classifier c(image, options); }), HasSubstr("leave it out"));
  options.labels = {"one"};
  EXPECT_THAT(error_of([&] { hone::Classifier c(plain, options); }),
              HasSubstr("1 class names for a model with 2 classes"));
  options.labels = {"a", "b"};
  hone::Classifier classifier(plain, options);
  uint8_t rgb[12] = {};
  EXPECT_EQ(classifier.classify({rgb, 2, 2}).size(), 2u);
  EXPECT_THAT(error_of([&] { classifier.classify({rgb, 0, 2}); }), HasSubstr("has no pixels"));
  EXPECT_THAT(error_of([&] { classifier.classify({nullptr, 2, 2}); }), HasSubstr("null"));
  EXPECT_THAT(error_of([&] { classifier.classify({rgb, 2, 2, hone::PixelFormat::rgb, 3}); }), HasSubstr("stride of 3"));
  EXPECT_THAT(error_of([&] { hone::Classifier c(two); }), testing::Not("no error"));
  options.model.threads = -1;
  EXPECT_THAT(error_of([&] { hone::Classifier c(plain, options); }), HasSubstr("ModelOptions::threads: is -1"));
  options.model.threads = 1;
  options.preprocess->std[1] = 0;
  EXPECT_THAT(error_of([&] { hone::Classifier c(plain, options); }), HasSubstr("Preprocess::std: is 0"));
  options.preprocess->std[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of([&] { hone::Classifier c(plain, options); }), HasSubstr("Preprocess::std: is nan"));
}

TEST_F(Api, ImagesAsTensors) {
  uint8_t rgb[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  hone::Tensor same = hone::image_tensor({rgb, 2, 2});
  EXPECT_EQ(same.raw(), rgb);
  EXPECT_EQ(to_string(same), "u8[1, 2, 2, 3]");
  hone::Tensor swapped = hone::image_tensor({rgb, 2, 2, hone::PixelFormat::bgr});
  EXPECT_EQ(swapped.data<uint8_t>()[0], 3);
  EXPECT_EQ(swapped.data<uint8_t>()[2], 1);
  hone::Session session((hone::Model(image)));
  EXPECT_EQ(session.run({same})[0].dims(), (hone::Dims{1, 2}));
}

TEST_F(Api, ASessionInTwoThreadsSaysSo) {
  hone::Session session(hone::Model(plain, {.threads = 1}));
  hone::Classifier classifier(image);
  std::vector<float> values = pixels(1);
  const hone::Tensor input = hone::Tensor::view<float>({1, 3, 16, 16}, values);
  const std::vector<float> expected = session.run({input})[0].to_floats();
  const uint8_t rgb[3] = {200, 0, 0};
  std::atomic<int> wrong{0};
  auto use = [&] {
    for (int i = 0; i < 2000; ++i) {
      std::string error = error_of([&] { wrong += session.run({input})[0].to_floats() != expected; });
      wrong += error != "no error" && error.find("Session: is in use by another thread") != 0;
      error = error_of([&] { wrong += classifier.classify({rgb, 1, 1})[0].label != "red"; });
      wrong += error != "no error" && error.find("Classifier: is in use by another thread") != 0;
    }
  };
  std::thread one(use), two(use);
  one.join();
  two.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(session.run({input})[0].to_floats(), expected);
}

TEST_F(Api, SessionsOfOneModelRunInSeveralThreads) {
  hone::Model model(plain, {.threads = 1});
  std::vector<float> values = pixels(1);
  hone::Tensor input = hone::Tensor::view<float>({1, 3, 16, 16}, values);
  std::vector<float> expected = hone::Session(model).run({input})[0].to_floats();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      hone::Session session(model);
      for (int i = 0; i < 20; ++i) wrong += session.run({input})[0].to_floats() != expected;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
