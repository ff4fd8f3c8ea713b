// Decoding as nodes of a graph beside the same in code.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <tuple>

#include "app/support/predictor.hpp"
#include "data/image.hpp"
#include "import/import.hpp"

namespace hone::app {
namespace {

struct Head {
  const char* decoder;
  ImageSize input;
  std::vector<Dims> outputs;
};

/// The outputs of each family for a small input.
const std::vector<Head>& heads() {
  static const std::vector<Head> list = {
      {"yolox", {64, 96}, {{1, 96 + 24 + 6, 85}}},
      {"nanodet", {64, 64}, {{1, 64, 80}, {1, 16, 80}, {1, 4, 80}, {1, 64, 32}, {1, 16, 32}, {1, 4, 32}}},
      {"fastestdet", {64, 64}, {{1, 85, 4, 4}}},
      {"ultraface", {48, 64}, {{1, 40, 2}, {1, 40, 4}}},
      {"yunet",
       {64, 64},
       {{1, 64, 1}, {1, 16, 1}, {1, 4, 1}, {1, 64, 1}, {1, 16, 1}, {1, 4, 1}, {1, 64, 4}, {1, 16, 4}, {1, 4, 4}}},
  };
  return list;
}

Tensor random_values(const Dims& dims, std::mt19937& random) {
  Tensor tensor = Tensor::zeros(DType::f32, dims);
  std::uniform_real_distribution<float> value(0.02f, 0.98f);
  for (float& x : tensor.mutable_data<float>()) x = value(random);
  return tensor;
}

class DecodingNodes : public ::testing::TestWithParam<size_t> {};

TEST_P(DecodingNodes, GiveWhatTheCodeGives) {
  const Head& head = heads()[GetParam()];
  const Decoder* decoder = find_decoder(head.decoder, Graph());
  ASSERT_TRUE(decoder && decoder->add_nodes) << head.decoder;
  std::mt19937 random(17);
  Graph graph;
  std::vector<Value*> values;
  std::vector<Tensor> tensors;
  Outputs outputs;
  for (size_t i = 0; i < head.outputs.size(); ++i) {
    std::string name = "out" + std::to_string(i);
    values.push_back(graph.add_input(name, DType::f32, head.outputs[i]));
    tensors.push_back(random_values(head.outputs[i], random));
    // NanoDet's code takes scores for logits when one is clearly negative, the nodes when no sigmoid is in front.
    if (head.outputs[i].back() == 80)
      for (float& x : tensors.back().mutable_data<float>()) x = 4 * x - 3;
    outputs.emplace_back(name, tensors.back());
  }
  NodeWriter nodes(graph, "detector/");
  Candidates all = decoder->add_nodes(nodes, values, head.input);
  graph.add_output("boxes", all.boxes);
  graph.add_output("scores", all.scores);
  graph.infer();
  std::vector<Tensor> found = evaluate(graph, tensors);
  auto boxes = found[0].data<float>(), scores = found[1].data<float>();
  auto classes = static_cast<size_t>(found[1].dim(2)), count = static_cast<size_t>(found[1].dim(1));
  ASSERT_EQ(found[0].dims(), (Dims{1, static_cast<int64_t>(count), 4}));

  std::vector<Detection> expected = decoder->decode(outputs, head.input, 0.0);
  ASSERT_EQ(expected.size(), count * classes) << "all scores are above zero";
  auto sorted = [](std::vector<Detection> list) {
    std::sort(list.begin(), list.end(), [](const Detection& a, const Detection& b) {
      return std::tuple(a.label, a.score) < std::tuple(b.label, b.score);
    });
    return list;
  };
  std::vector<Detection> got;
  for (size_t i = 0; i < count; ++i)
    for (size_t c = 0; c < classes; ++c) {
      const float* b = &boxes[4 * i];
      got.push_back({0, static_cast<int>(c), scores[i * classes + c], {b[0], b[1], b[2] - b[0], b[3] - b[1]}, {}});
    }
  got = sorted(got), expected = sorted(expected);
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].label, expected[i].label);
    ASSERT_NEAR(got[i].score, expected[i].score, 1e-5) << head.decoder;
  }
  // Scores may tie or swap within rounding: boxes are compared by their sum over the candidates of a class.
  double got_sum = 0, expected_sum = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    got_sum += got[i].score * (got[i].box.x + 2 * got[i].box.y + 3 * got[i].box.w + 5 * got[i].box.h);
    expected_sum +=
        expected[i].score * (expected[i].box.x + 2 * expected[i].box.y + 3 * expected[i].box.w + 5 * expected[i].box.h);
  }
  EXPECT_NEAR(got_sum / expected_sum, 1, 1e-5) << head.decoder;
}

INSTANTIATE_TEST_SUITE_P(All, DecodingNodes, ::testing::Range<size_t>(0, 5),
                         [](const auto& info) { return std::string(heads()[info.param].decoder); });

std::filesystem::path data_folder() {
  const char* folder = std::getenv("HONE_DATA");
  return folder && *folder ? std::filesystem::path(folder) : std::filesystem::path(HONE_SOURCE_DIR) / "../shared";
}

/// The file with the boxes inside sees in a photo what the raw head says.
TEST(FinishedDetector, SeesTheSameObjects) {
  std::filesystem::path models = data_folder() / "models/detection", photos = data_folder() / "data/coco_val128/images";
  if (!std::filesystem::exists(models) || !std::filesystem::exists(photos))
    GTEST_SKIP() << "no models below " << models;
  int compared = 0;
  for (const char* file : {"yolox_nano/yolox_nano.onnx", "nanodet_m/nanodet_m_320.onnx", "fastestdet/FastestDet.onnx",
                           "ultraface/version-RFB-320.onnx", "yunet/yunet_n_320_320.onnx"}) {
    ImageModel raw = open_image_model(models / file, {});
    ImageModel whole{finished(raw.graph, *raw.decoder, 0.05), raw.task, raw.labels};
    Predictor first(raw, {{}, 0.35}), second(whole, {{}, 0.35});
    for (const char* photo : {"000000000139.jpg", "000000000785.jpg", "000000002299.jpg"}) {
      if (!std::filesystem::exists(photos / photo)) continue;
      Tensor image = decode_image(photos / photo);
      std::vector<Detection> a = first.predict(image).objects, b = second.predict(image).objects;
      auto sure = [](const Detection& one) { return one.score > 0.4; };  // clearly above the threshold of the other
      for (const std::vector<Detection>* side : {&a, &b})
        for (const Detection& one : *side) {
          if (!sure(one)) continue;
          const std::vector<Detection>& other = side == &a ? b : a;
          bool seen = std::any_of(other.begin(), other.end(), [&](const Detection& two) {
            double overlap = iou(two.box, one.box);
            if (two.label != one.label) return false;
            // The last bit of a pixel decides whether a neighbor hides a box that overlaps it by as much as is allowed.
            return (std::abs(two.score - one.score) < 0.03 && overlap > 0.9) ||
                   std::abs(overlap - raw.decoder->nms_iou) < 0.03;
          });
          EXPECT_TRUE(seen) << file << " " << photo << " class " << one.label << " score " << one.score;
          ++compared;
        }
    }
  }
  EXPECT_GT(compared, 10);
}

}  // namespace
}  // namespace hone::app
