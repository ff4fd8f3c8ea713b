#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "base/file.hpp"
#include "devices/cpu/tuner.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::Random;
using testing_tools::random_inputs;

const std::vector<std::string> rivals = {"native_winograd4", "native_winograd2", "onednn_deep_conv", "native_conv"};

std::vector<std::string> all_but(const std::string& name) {
  std::vector<std::string> list;
  for (const std::string& rival : rivals)
    if (rival != name) list.push_back(rival);
  return list;
}

/// A 3x3 convolution of stride 1 with a residual sum, wide enough for every rival.
std::string wide_conv(Random& random) {
  const int64_t in = random.pick<int64_t>({16, 20, 32, 40}), out = random.pick<int64_t>({16, 24, 48}),
                dilation = random.integer(1, 3);
  const int64_t height = random.integer(7, 15), width = random.integer(7, 15), pad = dilation;
  return fmt::format(
      "graph \"g\" {{\n input %x: f32[{0}, {1}, {2}, {3}]\nconst %w: f32[{4}, {1}, 3, 3] = random({5})\nconst %b: "
      "f32[{4}] = "
      "random(2)\nconst %v: f32[{4}, {1}, 1, 1] = random(3)\n%c = Conv(%x, %w, %b) {{pads=[{6}, {6}, {6}, {6}], "
      "dilations=[{6}, {6}]}}\n"
      "%d = Conv(%x, %v)\n%s = Add(%c, %d)\n%y = Relu(%s)\noutput \"y\" = %y\n}}",
      random.integer(1, 2), in, height, width, out, random.integer(1, 1000), pad);
}

TEST(Convolutions, EveryRivalMatchesTheReference) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    const std::string text = wide_conv(random);
    SCOPED_TRACE(text);
    const Graph graph = parse_text(text);
    auto inputs = random_inputs(graph, seed, 2);
    auto expected = evaluate(graph, inputs);
    for (const char* rival : {"native_winograd4", "native_winograd2", "native_conv"})
      for (int threads : {1, 3}) {
        // The 1x1 convolution needs its kernel too.
        auto disabled = all_but(rival);
        disabled.pop_back();
        Session session(load(graph, {.threads = threads, .disabled_kernels = disabled, .autotune = false}));
        auto got = session.run(inputs);
        expect_near(got[0], expected[0], 1e-4, 2e-4, fmt::format("{} seed {} threads {}", rival, seed, threads));
      }
  }
}

TEST(Convolutions, WeightsAtOddAddressesOfAFileAreReadFromThere) {
  TemporaryFolder folder;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Random random(seed);
    Graph graph = parse_text(wide_conv(random));
    auto inputs = random_inputs(graph, seed, 2);
    const auto expected = evaluate(graph, inputs);
    std::set<Value*> constants;
    for (Node* node : graph.node_list())
      for (Value* input : node->inputs())
        if (input->is_constant()) constants.insert(input);
    for (Value* value : constants) {
      const Tensor& weights = value->constant();
      const auto path = folder / fmt::format("{}-{}", seed, value->name);
      write_file(path, "#" + std::string(static_cast<const char*>(weights.raw()), weights.bytes()));
      auto file = MappedFile::open(path);
      graph.set_constant(value, Tensor(weights.dtype(), weights.dims(), file->bytes().data() + 1, weights.bytes(), file));
      EXPECT_FALSE(value->constant().at_hand());
    }
    for (const char* rival : {"native_winograd4", "native_winograd2", "native_conv"}) {
      auto disabled = all_but(rival);
      disabled.pop_back();
      Session session(load(graph, {.threads = 2, .disabled_kernels = disabled, .autotune = false}));
      auto got = session.run(inputs);
      expect_near(got[0], expected[0], 1e-4, 2e-4, fmt::format("{} seed {}", rival, seed));
    }
  }
}

/// Two layers with the same weights.
const char* tied_convs =
    "graph \"g\" {\n input %x: f32[1, 32, 28, 28]\nconst %w: f32[32, 32, 3, 3] = random(1)\n"
    "%a = Conv(%x, %w) {pads=[1, 1, 1, 1]}\n%y = Conv(%a, %w) {pads=[1, 1, 1, 1]}\noutput \"y\" = %y\n}";

TEST(Convolutions, TheWinnerOfAMeasurementComputesWithItsOwnWeights) {
  const Graph graph = parse_text(tied_convs);
  auto inputs = random_inputs(graph, 1, 2);
  auto expected = evaluate(graph, inputs);
  cpu::forget_measurements();
  for (int threads : {1, 3})
    for (int round = 0; round < 2; ++round) {  // measured, then known
      Session session(load(graph, {.threads = threads, .autotune = true}));
      auto got = session.run(inputs);
      expect_near(got[0], expected[0], 1e-3, 1e-3, fmt::format("threads {} round {}", threads, round));
    }
}

TEST(Convolutions, PackedWeightsOfAGraphGivenAwayLeaveMemory) {
  Graph graph = parse_text(tied_convs);
  auto inputs = random_inputs(graph, 1, 2);
  auto expected = evaluate(graph, inputs);
  std::weak_ptr<const void> weights;
  for (Value* value : graph.constants()) {
    auto memory = std::make_shared<Tensor>(value->constant());
    weights = memory;
    graph.set_constant(value, Tensor(memory->dtype(), memory->dims(), memory->raw(), memory->bytes(), memory));
  }
  Session session(load(std::move(graph), {.threads = 1, .autotune = false}));
  EXPECT_FALSE(weights.expired());
  for (int run = 0; run < 2; ++run) expect_near(session.run(inputs)[0], expected[0], 1e-3, 1e-3, "run");
  EXPECT_TRUE(weights.expired());
}

TEST(Convolutions, WeightsThatTheTransformCannotHoldAreRefused) {
  if (!cpu_features().avx2) GTEST_SKIP() << "this CPU has no Winograd kernels";
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 16, 8, 8]
    const %w: f32[16, 16, 3, 3] = fill(3e38)
    %y = Conv(%x, %w)
    output "y" = %y
  })");
  Session session(load(graph, {.threads = 1}));
  session.run(random_inputs(graph, 1, 1));
  const StepInfo* conv = nullptr;
  for (const StepInfo& step : session.plan()->steps())
    if (step.op.starts_with("Conv")) conv = &step;
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(conv->kernel.find("winograd"), std::string::npos) << conv->kernel;
  EXPECT_NE(fmt::format("{}", fmt::join(conv->notes, "\n")).find("native_winograd4: relative error"),
            std::string::npos);
}

/// A 3x3 convolution of 8-bit integers; `weight`: what fills the weights.
std::string integer_conv(Random& random, const std::string& weight) {
  const int64_t in = random.pick<int64_t>({60, 64, 128, 320}), out = random.pick<int64_t>({64, 72, 96});
  const int64_t height = random.integer(20, 40), width = random.integer(20, 40), dilation = random.integer(1, 2);
  return fmt::format(R"(graph "g" {{
    input %x: f32[{}, {}, {}, {}]
    const %s: f32[] = [0.01]
    const %z: u8[] = [{}]
    const %w: i8[{}, {}, 3, 3] = {}
    const %ws: f32[{}] = fill(0.003)
    const %b: f32[{}] = random(2)
    %q = QuantizeLinear(%x, %s, %z)
    %d = DequantizeLinear(%q, %s, %z)
    %dw = DequantizeLinear(%w, %ws) {{axis=0}}
    %c = Conv(%d, %dw, %b) {{pads=[{}, {}, {}, {}], dilations=[{}, {}]}}
    %qa = QuantizeLinear(%c, %s, %z)
    %y = DequantizeLinear(%qa, %s, %z)
    output "y" = %y
  }})",
                     random.integer(1, 2), in, height, width, random.pick<int>({0, 128, 200}), out, in, weight, out,
                     out, dilation, dilation, dilation, dilation, dilation, dilation);
}

/// The convolution's step of a session that has run.
StepInfo conv_step(const Session& session) {
  for (const StepInfo& step : session.plan()->steps())
    if (step.op.starts_with("Conv")) return step;
  throw std::runtime_error("no convolution");
}

TEST(Convolutions, FewerMultiplicationsOfIntegersChangeNothing) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU has no such kernel";
  int compared = 0, compared_groups = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Random random(seed);
    const std::string text = integer_conv(random, fmt::format("random({})", seed));
    SCOPED_TRACE(text);
    const Graph graph = parse_text(text);
    auto inputs = random_inputs(graph, seed, 2);
    const int threads = seed % 2 ? 1 : 3;
    auto without = [](std::vector<std::string> names) {
      names.push_back("onednn_deep_conv");
      names.push_back("onednn_conv");
      return names;
    };
    auto run = [&](std::vector<std::string> names, const char* kernel) {
      Session session(
          load(graph, {.threads = threads, .disabled_kernels = without(std::move(names)), .autotune = false}));
      const Tensor result = session.run(inputs)[0];
      return conv_step(session).kernel.starts_with(kernel) ? result : Tensor();  // else too small to gain from it
    };
    const Tensor plain = run({"native_winograd_int8", "native_winograd_groups"}, "hone conv int8");
    ASSERT_TRUE(plain.defined());
    const Tensor stored = run({"native_conv", "native_winograd_groups"}, "hone winograd 4x4 int8");
    const Tensor groups = run({"native_conv", "native_winograd_int8"}, "hone winograd 4x4 int8 in groups");
    if (stored.defined()) {
      EXPECT_TRUE(identical(stored, plain));
    }
    if (groups.defined()) {
      EXPECT_TRUE(identical(groups, plain));
    }
    compared += stored.defined(), compared_groups += groups.defined();
  }
  EXPECT_GT(compared_groups, 2);
  EXPECT_GT(compared, 2);
}

TEST(Convolutions, SumsThatMightNotFitAreRefusedTheFastWay) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU has no such kernel";
  const auto notes_for = [](int weight, int channels = 128) {
    const Graph graph = parse_text(fmt::format(R"(graph "g" {{
      input %x: f32[1, {1}, 28, 28]
      const %s: f32[] = [0.01]
      const %z: u8[] = [0]
      const %w: i8[128, {1}, 3, 3] = fill({0})
      const %ws: f32[128] = fill(0.003)
      %q = QuantizeLinear(%x, %s, %z)
      %d = DequantizeLinear(%q, %s, %z)
      %dw = DequantizeLinear(%w, %ws) {{axis=0}}
      %c = Conv(%d, %dw) {{pads=[1, 1, 1, 1]}}
      %qa = QuantizeLinear(%c, %s, %z)
      %y = DequantizeLinear(%qa, %s, %z)
      output "y" = %y
    }})",
                                               weight, channels));
    Session session(load(graph, {.threads = 1, .autotune = false}));
    session.run(random_inputs(graph, 1, 1));
    return fmt::format("{}", fmt::join(conv_step(session).notes, "\n"));
  };
  const std::string refused = "native_winograd_int8: sums may be too large";
  // 255 * 9 * 128 * weight against 2^25.
  EXPECT_NE(notes_for(-115).find(refused), std::string::npos) << notes_for(-115);
  EXPECT_EQ(notes_for(114).find(refused), std::string::npos) << notes_for(114);
  // 640 channels go in groups of 224: only the sums of one have to fit.
  const std::string groups_refused = "native_winograd_groups: sums may be too large";
  const std::string fit = notes_for(65, 640), too_large = notes_for(66, 640);
  EXPECT_NE(fit.find(refused), std::string::npos) << fit;
  EXPECT_EQ(fit.find(groups_refused), std::string::npos) << fit;
  EXPECT_NE(too_large.find(groups_refused), std::string::npos) << too_large;
}

TEST(Gemv, LargeMatricesAreReadWhereTheyLie) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[N, 2100]
    const %w: f32[4001, 2100] = random(1)
    const %b: f32[4001] = random(2)
    %c = Gemm(%x, %w, %b) {transB=1}
    %y = Relu(%c)
    output "y" = %y
  })");
  for (int64_t batch : {1, 3, 5}) {
    auto inputs = random_inputs(graph, 7, batch);
    auto expected = evaluate(graph, inputs);
    Session session(load(graph, {.threads = 2}));
    auto got = session.run(inputs);
    expect_near(got[0], expected[0], 1e-4, 2e-3, fmt::format("batch {}", batch));
    EXPECT_EQ(session.plan()->steps()[0].kernel.find("hone gemv") == 0, batch <= 4)
        << session.plan()->steps()[0].kernel;
  }
}

class Tuning : public testing::Test {
 protected:
  Tuning() { cpu::forget_measurements(); }
  ~Tuning() override { cpu::forget_measurements(); }

  /// The step of a convolution that several kernels compete for.
  StepInfo compile(bool autotune, const std::string& cache) {
    const Graph graph = parse_text(fmt::format(R"(graph "g" {{
      input %x: f32[1, {0}, 28, 28]
      const %w: f32[{0}, {0}, 3, 3] = random(1)
      %y = Conv(%x, %w) {{pads=[1, 1, 1, 1]}}
      output "y" = %y
    }})", channels_));
    // F(4x4) is expected to be faster than all others by as much that nothing would be measured.
    Session session(load(
        graph, {.threads = 1, .disabled_kernels = {"native_winograd4"}, .autotune = autotune, .cache_dir = cache}));
    session.run(random_inputs(graph, 1, 1));
    for (const StepInfo& step : session.plan()->steps())
      if (step.op.starts_with("Conv")) return step;
    return {};
  }
  static bool measured(const StepInfo& step) {
    int lines = 0;
    for (const std::string& note : step.notes) lines += note.ends_with(" us");
    return lines >= 2;
  }
  static bool reused(const StepInfo& step) {
    for (const std::string& note : step.notes)
      if (note.find("identical layer") != std::string::npos) return true;
    return false;
  }

  TemporaryFolder folder_;
  int channels_ = 64;
};

TEST_F(Tuning, MeasuresOnceAndRemembersInTheProcessAndInTheCacheFolder) {
  StepInfo first = compile(true, folder_.path().string());
  // Rivals are measured where estimates are close, which they are elsewhere for processors that compute slowly.
  for (int channels : {48, 32, 24, 16}) {
    if (measured(first)) break;
    channels_ = channels;
    first = compile(true, folder_.path().string());
  }
  if (!measured(first)) GTEST_SKIP() << "this CPU has one kernel for the layer";
  EXPECT_TRUE(reused(compile(true, ""))) << "the process remembers";
  cpu::forget_measurements();
  for (const auto& file : std::filesystem::directory_iterator(folder_.path()))
    if (file.path().extension() == ".plan") std::filesystem::remove(file.path());  // it would remember, too
  const StepInfo again = compile(true, folder_.path().string());
  EXPECT_TRUE(reused(again)) << "the file remembers";
  EXPECT_EQ(again.kernel, first.kernel);
  cpu::forget_measurements();
  EXPECT_TRUE(measured(compile(true, ""))) << "nobody remembers";
}

TEST_F(Tuning, ADamagedOrMissingCacheFolderIsNoError) {
  std::ofstream(folder_ / "autotune-1.txt") << "nonsense\n\t\t\nlayer\tkernel\tnan\nlayer\tkernel\n"
                                            << std::string(100, '\0') << "\n";
  EXPECT_FALSE(compile(true, folder_.path().string()).kernel.empty());
  cpu::forget_measurements();
  EXPECT_FALSE(compile(true, (folder_ / "autotune-1.txt" / "below-a-file").string()).kernel.empty());
}

TEST_F(Tuning, OffMeansNoMeasurementAndTheSameChoice) {
  const StepInfo first = compile(false, ""), second = compile(false, "");
  EXPECT_FALSE(measured(first));
  EXPECT_EQ(first.kernel, second.kernel);
}

}  // namespace
}  // namespace hone
