#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "compile/model_source.hpp"
#include "devices/devices.hpp"
#include "devices/dynamic/partition.hpp"
#include "devices/reference/reference_device.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

// Graphs whose sizes depend on data, on the cpu device.
using namespace hone;
using namespace hone::testing_tools;
using ::testing::HasSubstr;

namespace {

/// A backbone, and boxes that survive a threshold: the second half has as many rows as the data want.
const char* const detector = R"(graph "detector" {
  input %x: f32[N, 3, 32, 32]
  const %w: f32[16, 3, 3, 3] = random(1)
  const %v: f32[8, 16, 3, 3] = random(2)
  const %zero: f32[] = [0.5]
  const %axes: i64[1] = [0]
  const %flat: i64[1] = [-1]
  %a = Conv(%x, %w) {pads=[1, 1, 1, 1]}
  %b = Relu(%a)
  %c = Conv(%b, %v) {pads=[1, 1, 1, 1]}
  %d = Reshape(%c, %flat)
  %mask = Greater(%d, %zero)
  %found = NonZero(%mask)
  %index = Squeeze(%found, %axes)
  %kept = Gather(%d, %index)
  %score = Sigmoid(%kept)
  output "scores" = %score
  output "index" = %index
})";

/// A convolution after a crop whose size is computed.
const char* const crop = R"(graph "crop" {
  input %x: f32[1, 4, 24, 24]
  input %size: i64[1]
  const %w: f32[8, 4, 3, 3] = random(3)
  const %start: i64[1] = [0]
  const %axis: i64[1] = [2]
  %part = Slice(%x, %start, %size, %axis)
  %y = Conv(%part, %w) {pads=[1, 1, 1, 1]}
  %z = Relu(%y)
  output %z
})";

/// A loop with a convolution in its body, as long as the input says; the state grows in it.
const char* const loop = R"(graph "loop" {
  input %n: i64[]
  input %x: f32[1, 4, 8, 8]
  %y, %all = Loop(%n, _, %x) {body=graph "body" {
    input %i: i64[]
    input %go: bool[]
    input %s: f32[1, 4, 8, 8]
    const %w: f32[4, 4, 3, 3] = random(4)
    const %scale: f32[] = [0.1]
    %c = Conv(%s, %w) {pads=[1, 1, 1, 1]}
    %t = Mul(%c, %scale)
    output %go
    output %t
    output "copy" = %t
  }}
  output %y
  output %all
})";

/// The results of the cpu device and of the graph as it is.
void expect_same(const Graph& graph, const std::vector<Tensor>& inputs, Session& session) {
  auto want = evaluate(graph, inputs), got = session.run(inputs);
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) expect_near(got[i], want[i], 1e-4, 1e-5);
}

}  // namespace

TEST(Dynamic, TheBackboneOfADetectorIsOnePlan) {
  Graph graph = parse_text(detector);
  Session session(load(graph, {.threads = 2}));
  for (uint64_t seed = 1; seed < 6; ++seed)
    expect_same(graph, {random_tensor(DType::f32, {static_cast<int64_t>(seed % 2 + 1), 3, 32, 32}, seed)}, session);
  int compiled = 0, reference = 0;
  for (const StepInfo& step : session.plan()->steps()) {
    bool by_definition = step.kernel.find("reference") != std::string::npos;
    (by_definition ? reference : compiled) += 1;
    if (step.op.starts_with("Conv")) EXPECT_FALSE(by_definition);
  }
  EXPECT_GE(compiled, 2);
  EXPECT_GE(reference, 2);
  EXPECT_GT(session.plan()->arena_bytes(), 0u);
}

TEST(Dynamic, ProfilingCountsEveryStep) {
  Session session(load(parse_text(detector), {.threads = 1}));
  session.set_profiling(true);
  std::vector<Tensor> inputs{random_tensor(DType::f32, {1, 3, 32, 32}, 1)};
  for (int i = 0; i < 3; ++i) session.run(inputs);
  EXPECT_EQ(session.times().runs, 3);
  ASSERT_EQ(session.times().nanoseconds.size(), session.plan()->steps().size());
  for (size_t i = 0; i < session.times().nanoseconds.size(); ++i) EXPECT_GT(session.times().nanoseconds[i], 0) << i;
}

TEST(Dynamic, PartsAreAsLargeAsTheyCanBe) {
  Graph graph = parse_text(detector);
  std::vector<Dims> dims{{1, 3, 32, 32}};
  auto parts = dynamic::partition(specialize(graph, dims, {}));
  ASSERT_GE(parts.size(), 2u);
  EXPECT_EQ(parts[0].kind, dynamic::Part::Kind::fixed);
  EXPECT_GE(parts[0].nodes.size(), 4u);  // convolutions, relu, reshape, comparison
  for (size_t i = 1; i < parts.size(); ++i) EXPECT_NE(parts[i].kind, dynamic::Part::Kind::fixed);
}

TEST(Dynamic, ConvolutionAfterAComputedCrop) {
  Graph graph = parse_text(crop);
  Session session(load(graph, {.threads = 1}));
  Tensor x = random_tensor(DType::f32, {1, 4, 24, 24}, 7);
  for (int64_t size : {3, 24, 1, 3, 10, 11, 12, 13, 14, 15, 16, 17, 3, 0}) {
    if (size == 0) continue;
    expect_same(graph, {x, Tensor::of<int64_t>({1}, {size})}, session);
  }
  bool specialized = false;
  for (const StepInfo& step : session.plan()->steps()) specialized |= step.kernel == "plan for each set of sizes";
  EXPECT_TRUE(specialized);
}

TEST(Dynamic, BodiesWithConvolutionsArePlans) {
  Graph graph = parse_text(loop);
  Session session(load(graph, {.threads = 1}));
  Tensor x = random_tensor(DType::f32, {1, 4, 8, 8}, 9);
  for (int64_t runs : {0, 1, 5, 2}) {
    std::vector<Tensor> inputs{Tensor::scalar<int64_t>(runs), x};
    auto got = session.run(inputs);
    EXPECT_EQ(got[1].dims(), (Dims{runs, 1, 4, 8, 8}));
    expect_same(graph, inputs, session);
    if (runs > 0) {  // earlier results are not written over by later runs of the body
      Tensor last = got[0];
      const float* row = got[1].data<float>().data() + (runs - 1) * last.size();
      for (int64_t i = 0; i < last.size(); ++i) EXPECT_EQ(last.data<float>()[static_cast<size_t>(i)], row[i]);
    }
  }
  ASSERT_EQ(session.plan()->steps().size(), 1u);
  EXPECT_EQ(session.plan()->steps()[0].kernel, "plans of its bodies");
}

TEST(Dynamic, ResultsStayWhatTheyWere) {
  Graph graph = parse_text(detector);
  Session session(load(graph, {.threads = 1}));
  std::vector<Tensor> first{random_tensor(DType::f32, {1, 3, 32, 32}, 1)},
      second{random_tensor(DType::f32, {1, 3, 32, 32}, 2)};
  auto kept = session.run(first);
  std::vector<Tensor> copies{kept[0].clone(), kept[1].clone()};
  session.run(second);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(identical(kept[i], copies[i]));
}

TEST(Dynamic, ManyThreadsOneSource) {
  Graph graph = parse_text(crop);
  auto source = load(graph, {.threads = 1});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  Tensor x = random_tensor(DType::f32, {1, 4, 24, 24}, 7);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Session session(source);
      for (int64_t i = 0; i < 12; ++i) {
        std::vector<Tensor> inputs{x, Tensor::of<int64_t>({1}, {1 + (i * 5 + t) % 24})};
        auto want = evaluate(graph, inputs), got = session.run(inputs);
        if (got[0].dims() != want[0].dims()) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Dynamic, ErrorsNameTheNode) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[4]
    input %sizes: i64[2]
    %y = Reshape(%x, %sizes) "shaper"
    %z = Relu(%y)
    output %z
  })");
  Session session(load(graph));
  try {
    session.run(std::vector<Tensor>{Tensor::of<float>({4}, {1, 2, 3, 4}), Tensor::of<int64_t>({2}, {3, 3})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("reshape 'shaper'"));
  }
  // The session goes on after an error.
  auto y = session.run(std::vector<Tensor>{Tensor::of<float>({4}, {1, 2, 3, 4}), Tensor::of<int64_t>({2}, {2, 2})});
  EXPECT_EQ(y[0].dims(), (Dims{2, 2}));
}

TEST(Dynamic, AnEndlessLoopCanBeInterrupted) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[4]
    %y = Loop(_, _, %x) {body=graph "body" {
      input %i: i64[]
      input %go: bool[]
      input %s: f32[4]
      %t = Neg(%s)
      output %go
      output %t
    }}
    output %y
  })");
  Session session(load(graph));  // folding must not run it either
  std::thread stopper([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    request_interrupt();
  });
  EXPECT_THROW(session.run(std::vector<Tensor>{Tensor::of<float>({4}, {1, 2, 3, 4})}), Interrupted);
  stopper.join();
  clear_interrupt();
}

TEST(PlanCache, AStreamOfManySizesStaysWithinTheBound) {
  static std::atomic<int> alive, most, made;
  alive = most = made = 0;
  struct Counted : Plan {
    explicit Counted(std::shared_ptr<const Plan> p) : plan(std::move(p)) {
      ++made;
      most = std::max<int>(most, ++alive);
    }
    ~Counted() override { --alive; }
    const std::vector<StepInfo>& steps() const override { return plan->steps(); }
    std::unique_ptr<PlanState> make_state() const override { return plan->make_state(); }
    void run(PlanState& state, std::span<const Tensor> in, std::span<Tensor> out, StepTimes* times) const override {
      plan->run(state, in, out, times);
    }
    std::shared_ptr<const Plan> plan;
  };
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[N, 1, H, 8]
    const %w: f32[2, 1, 3, 3] = random(1)
    %y = Conv(%x, %w) {pads=[1, 1, 1, 1]}
    %z = Relu(%y)
    output %z
  })");
  CompileGraph compile = [](Graph g) { return std::make_shared<const Counted>(compile_reference(std::move(g))); };
  Session session(std::make_shared<ModelSource>(graph.clone(), compile, 8));
  std::vector<Tensor> outputs(1);
  for (int i = 0; i < 1000; ++i) {
    int64_t shape = (i * 7) % 200;
    Dims dims{1 + shape % 2, 1, 3 + shape / 2, 8};
    session.run(std::vector<Tensor>{Tensor::zeros(DType::f32, dims)}, outputs);
    ASSERT_EQ(outputs[0].dims(), (Dims{dims[0], 2, dims[2], 8}));
  }
  EXPECT_LE(most, 8 + 4 + 1);  // of the source, of the session, and the one in the making
  EXPECT_GE(made, 200);
}

TEST(Sizes, WrongBatchIsExplained) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 3]
    input %y: f32[N, 3]
    %a = Relu(%x)
    %b = Relu(%y)
    output %a
    output %b
  })");
  Session session(load(graph));
  auto two = Tensor::zeros(DType::f32, {2, 3}), one = Tensor::zeros(DType::f32, {1, 3});
  EXPECT_EQ(session.run(std::vector<Tensor>{one, two})[1].dims(), (Dims{2, 3}));
  try {
    session.run(std::vector<Tensor>{two, two});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("input 'x': got f32[2, 3], expected f32[1, 3]"));
    EXPECT_THAT(error.what(), HasSubstr("one by one"));
  }
}
