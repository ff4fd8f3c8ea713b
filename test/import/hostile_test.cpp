#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "graph_checks.hpp"
#include "import/onnx_builder.hpp"

// Damaged files: whatever the bytes are, import throws Error or succeeds.
namespace hone {
namespace {

using namespace testing_tools;

class Hostile : public testing::Test {
 protected:
  Hostile() {
    set_log_sink([](LogLevel, const std::string&) {});
  }
  /// True when a file with this content was read; anything but Error escapes and fails the test.
  bool survives(std::string_view content) {
    try {
      import_model(folder_.write("hostile.onnx", content));
      return true;
    } catch (const Error& error) {
      EXPECT_FALSE(error.place().empty());
      EXPECT_FALSE(error.problem().empty());
      return false;
    }
  }
  OnnxFolder folder_;
};

TEST_F(Hostile, TruncationAtEveryByte) {
  std::string bytes = small_model().bytes();
  int read = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    read += survives(std::string_view(bytes).substr(0, size));
  }
  EXPECT_LE(read, 1) << "only the cut between the model and its metadata leaves a whole model";
}

TEST_F(Hostile, FlippedBytes) {
  std::string bytes = small_model().bytes();
  uint64_t seed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 4000; ++round) {
    std::string damaged = bytes;
    for (int64_t flips = random.integer(1, 4); flips > 0; --flips)
      damaged[static_cast<size_t>(random.integer(0, static_cast<int64_t>(bytes.size()) - 1))] =
          static_cast<char>(random.next());
    survives(damaged);
  }
}

TEST_F(Hostile, EveryByteToEveryExtreme) {
  std::string bytes = small_model().bytes();
  for (size_t i = 0; i < bytes.size(); ++i)
    for (char value : {'\x00', '\x01', '\x7f', '\x80', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = value;
      survives(damaged);
    }
}

TEST_F(Hostile, RandomBytesAfterAGoodStart) {
  uint64_t seed = 77;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes("\x08\x08\x3a", 3);
    for (int64_t left = random.integer(1, 200); left > 0; --left) bytes += static_cast<char>(random.next());
    survives(bytes);
  }
}

TEST_F(Hostile, DeepNesting) {
  // Subgraphs in subgraphs, 2000 deep, and a type of sequences of sequences: nothing may recurse into them.
  std::string graph, type;
  for (int depth = 0; depth < 2000; ++depth) {
    graph = message([&](PbfWriter& out) { out.add_message(onnx::attribute::g, graph); });
    type = message([&](PbfWriter& out) { out.add_message(onnx::type::sequence, type); });
  }
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Loop", {"x"}, {"y"}}, graph);
  EXPECT_NE(error_of([&] { model.import(); }), "no error");
  OnnxBuilder typed;
  typed.output("y").field(onnx::graph::input, message([&](PbfWriter& out) {
                            out.add_string(onnx::value_info::name, "x");
                            out.add_message(onnx::value_info::type, type);
                          }));
  EXPECT_NE(error_of([&] { typed.import(); }), "no error");
}

TEST_F(Hostile, LongChainsAndManyNames) {
  // A chain listed backwards, all nodes of one name: neither quadratic time nor recursion.
  OnnxBuilder model;
  model.input("v0", Shape{2}).output("v20000");
  for (int i = 20000; i > 0; --i)
    model.node({"Relu", {fmt::format("v{}", i - 1)}, {fmt::format("v{}", i)}, {}, "same"});
  EXPECT_EQ(model.import().nodes().size(), 20000u);
}

}  // namespace
}  // namespace hone
