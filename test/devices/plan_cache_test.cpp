#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

/// A plan from the cache folder computes what the plan computes that was put there, bit by bit; whatever else is in the
/// folder changes nothing.
namespace hone {
namespace {

namespace fs = std::filesystem;
using testing_tools::random_inputs;

// Winograd and direct convolution, depthwise, both ways of a fully connected layer, attention, a table, a residual.
const char* const floats = R"(graph "floats" {
  input %x: f32[1, 16, 14, 14]
  const %w: f32[32, 16, 3, 3] = random(1)
  const %b: f32[32] = random(2)
  const %v: f32[32, 32, 1, 1] = random(3)
  const %d: f32[32, 1, 3, 3] = random(4)
  const %g: f32[40, 32] = random(5)
  const %h: f32[40, 24] = random(6)
  const %shape: i64[2] = [1, 32]
  const %starts: i64[1] = [3]
  const %ends: i64[1] = [9]
  const %axes: i64[1] = [1]
  %c = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}
  %r = Relu(%c)
  %p = Conv(%r, %v)
  %q = Conv(%p, %d) {group=32, pads=[1, 1, 1, 1]}
  %s = Add(%q, %r)
  %a = GlobalAveragePool(%s)
  %f = Reshape(%a, %shape)
  %e = Gemm(%f, %g) {transB=1}
  %m = MatMul(%e, %h)
  %t = Softmax(%m)
  %y = Slice(%t, %starts, %ends, %axes)
  output "y" = %y
  output "s" = %s
})";

const char* const integers = R"(graph "integers" {
  input %x: f32[2, 3, 28, 28]
  const %s: f32[] = [0.01]
  const %z: u8[] = [3]
  const %w: i8[64, 3, 3, 3] = random(1)
  const %ws: f32[64] = fill(0.003)
  const %v: i8[64, 64, 3, 3] = random(2)
  const %vs: f32[64] = fill(0.002)
  const %b: f32[64] = random(3)
  %q = QuantizeLinear(%x, %s, %z)
  %d = DequantizeLinear(%q, %s, %z)
  %dw = DequantizeLinear(%w, %ws) {axis=0}
  %c = Conv(%d, %dw, %b) {pads=[1, 1, 1, 1]}
  %r = Relu(%c)
  %qa = QuantizeLinear(%r, %s, %z)
  %da = DequantizeLinear(%qa, %s, %z)
  %dv = DequantizeLinear(%v, %vs) {axis=0}
  %e = Conv(%da, %dv) {pads=[1, 1, 1, 1], strides=[2, 2]}
  %qe = QuantizeLinear(%e, %s, %z)
  %y = DequantizeLinear(%qe, %s, %z)
  output "y" = %y
})";

class StoredPlans : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_sink([this](LogLevel level, const std::string& message) {
      if (level >= LogLevel::warning) warnings_.push_back(message);
    });
  }
  void TearDown() override {
    set_log_sink(nullptr);
    fs::permissions(folder_.path(), fs::perms::owner_all);
  }

  struct Outcome {
    std::vector<Tensor> outputs;
    std::vector<std::string> kernels;
    bool cached = false;
  };
  Outcome run(const char* text, bool cache = true, int threads = 2) {
    const Graph graph = parse_text(text);
    DeviceOptions options{.threads = threads, .autotune = false};
    if (cache) options.cache_dir = folder_.path().string();
    Session session(load(graph, options));
    Outcome outcome;
    outcome.outputs = session.run(random_inputs(graph, 1, 1));
    for (const StepInfo& step : session.plan()->steps()) {
      outcome.kernels.push_back(step.kernel);
      outcome.cached |= !step.notes.empty() && step.notes.back() == "from the plan cache";
    }
    return outcome;
  }
  void expect_same(const Outcome& a, const Outcome& b, bool cached) {
    EXPECT_EQ(a.cached, cached);
    EXPECT_EQ(a.kernels, b.kernels);
    ASSERT_EQ(a.outputs.size(), b.outputs.size());
    for (size_t i = 0; i < a.outputs.size(); ++i) EXPECT_TRUE(identical(a.outputs[i], b.outputs[i])) << "output " << i;
  }
  std::vector<fs::path> plans() const {
    std::vector<fs::path> list;
    for (const auto& file : fs::directory_iterator(folder_.path()))
      if (file.path().extension() == ".plan") list.push_back(file.path());
    return list;
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(StoredPlans, ASecondLoadComputesTheSame) {
  for (const char* text : {floats, integers}) {
    const Outcome plain = run(text, false);
    expect_same(run(text), plain, false);
    expect_same(run(text), plain, true);
    expect_same(run(text), plain, true);
  }
  EXPECT_EQ(plans().size(), 2u);
  EXPECT_EQ(warnings_, std::vector<std::string>());
}

TEST_F(StoredPlans, WhatChangesThePlanIsPartOfTheKey) {
  run(floats);
  EXPECT_FALSE(run(floats, true, 1).cached) << "threads";
  std::string other = floats;
  other.replace(other.find("random(3)"), 9, "random(7)");
  EXPECT_FALSE(run(other.c_str()).cached) << "a weight";
  other = floats;
  other.replace(other.find("pads=[1, 1, 1, 1]"), 17, "pads=[2, 0, 2, 0]");
  EXPECT_FALSE(run(other.c_str()).cached) << "an attribute";
  EXPECT_EQ(plans().size(), 4u);
}

TEST_F(StoredPlans, DamagedFilesAreMadeAnew) {
  const Outcome plain = run(integers, false);
  run(integers);
  ASSERT_EQ(plans().size(), 1u);
  const fs::path file = plans()[0];
  const std::string whole = read_text_file(file);
  std::vector<std::string> broken = {"",
                                     "HONEPLAN",
                                     std::string(100000, 'x'),
                                     whole.substr(0, whole.size() / 2),
                                     whole.substr(0, whole.size() - 1),
                                     whole + "x"};
  for (size_t i = 0; i < 12; ++i) {  // a bit in the header, in the table and in the weights
    std::string copy = whole;
    // Not in the zeros that fill up a block.
    size_t at = i < 4 ? 8 * i + 1 : i < 8 ? 120 + 97 * i : copy.size() - 6400 * (i - 7) - 5;
    copy[at] = static_cast<char>(copy[at] ^ 4);
    broken.push_back(copy);
  }
  for (size_t i = 0; i < broken.size(); ++i) {
    SCOPED_TRACE(i);
    warnings_.clear();
    write_file(file, broken[i]);
    expect_same(run(integers), plain, false);
    EXPECT_EQ(warnings_.size(), 1u);
    expect_same(run(integers), plain, true);  // it was replaced
  }
}

TEST_F(StoredPlans, AFileOfAnotherPlanIsNotTaken) {
  run(floats);
  const fs::path mine = plans().at(0);
  const std::string content = read_text_file(mine);
  fs::remove(mine);
  run(integers);
  const Outcome plain = run(integers, false);
  write_file(plans().at(0), content);
  expect_same(run(integers), plain, false);
}

TEST_F(StoredPlans, FoldersThatCannotBeWritten) {
  const Outcome plain = run(floats, false);
  write_file(folder_ / "file", "x");
  DeviceOptions options{.threads = 1, .cache_dir = (folder_ / "file" / "below").string()};
  const Graph graph = parse_text(floats);
  EXPECT_NO_THROW(Session(load(graph, options)).run(random_inputs(graph, 1, 1)));
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("the plan cache is not used"), std::string::npos) << warnings_[0];
  warnings_.clear();
  run(floats);
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  expect_same(run(floats), plain, true);
  EXPECT_FALSE(run(integers).outputs.empty());
  EXPECT_EQ(warnings_, std::vector<std::string>());
}

TEST_F(StoredPlans, PartsOfAModelWithOpenSizesAreKeptToo) {
  const char* const text = R"(graph "g" {
    input %x: f32[N, 16, 14, 14]
    const %w: f32[32, 16, 3, 3] = random(1)
    %c = Conv(%x, %w)
    %n = NonZero(%c)
    output "c" = %c
    output "n" = %n
  })";
  const Graph graph = parse_text(text);
  std::vector<Tensor> expected;
  for (int round = 0; round < 3; ++round) {
    Session session(load(graph, {.threads = 1, .autotune = false, .cache_dir = folder_.path().string()}));
    auto outputs = session.run(random_inputs(graph, 1, 2));
    if (round == 0) expected = outputs;
    for (size_t i = 0; i < outputs.size(); ++i) EXPECT_TRUE(identical(outputs[i], expected[i]));
  }
  EXPECT_EQ(plans().size(), 1u);
}

}  // namespace
}  // namespace hone
