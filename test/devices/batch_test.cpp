#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/file.hpp"
#include "compile/model_source.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"
#include "temporary_folder.hpp"

/// Batches that run slice by slice.
namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::random_inputs;

std::string network(const std::string& batch) {
  return fmt::format(R"(graph "g" {{
    input %x: f32[{}, 8, 112, 112]
    const %w: f32[16, 8, 3, 3] = random(1)
    const %w2: f32[16, 16, 1, 1] = random(2)
    const %fc: f32[16, 10] = random(3)
    const %flat: i64[2] = [0, 16]
    %c = Conv(%x, %w) {{pads=[1, 1, 1, 1]}}
    %r = Relu(%c)
    %d = Conv(%r, %w2)
    %a = Add(%d, %r)
    %g = GlobalAveragePool(%a)
    %f = Reshape(%g, %flat)
    %m = MatMul(%f, %fc)
    %s = Softmax(%m)
    output "map" = %a
    output "s" = %s
  }})",
                     batch);
}

/// The note of a plan that runs slices; empty: it runs all at once.
std::string slices_of(const Session& session) {
  for (const StepInfo& step : session.plan()->steps())
    for (const std::string& note : step.notes)
      if (note.find("slices") != std::string::npos) return note;
  return {};
}

TEST(Batch, RunsInSlicesWithTheSameResult) {
  for (const char* batch : {"N", "6"}) {
    const Graph graph = parse_text(network(batch));
    const auto inputs = random_inputs(graph, 1, 6);
    const auto expected = evaluate(graph, inputs);
    for (int threads : {1, 2, 3, 4}) {
      SCOPED_TRACE(fmt::format("batch {} threads {}", batch, threads));
      Session session(load(graph, {.threads = threads, .autotune = false}));
      std::vector<Tensor> outputs = session.run(inputs);
      session.run(inputs, outputs);
      for (size_t i = 0; i < expected.size(); ++i) expect_near(outputs[i], expected[i], 1e-4, 1e-5, "output");
      // Six slices do not fill four threads twice.
      EXPECT_EQ(slices_of(session),
                fmt::format("the batch runs in 6 slices of 1, {} of them at a time", threads == 4 ? 1 : threads));
    }
  }
}

TEST(Batch, OfOtherMemoryAndOtherSizesInOneSession) {
  const Graph graph = parse_text(network("N"));
  Session session(load(graph, {.threads = 2, .autotune = false}));
  for (int round = 0; round < 3; ++round)
    for (int64_t samples : {6, 1, 4, 6}) {
      const auto inputs = random_inputs(graph, static_cast<uint64_t>(round), samples);
      const auto expected = evaluate(graph, inputs), got = session.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i) expect_near(got[i], expected[i], 1e-4, 1e-5, "output");
    }
}

TEST(Batch, OfManySlicesTakesTheMemoryOfOne) {
  const Graph graph = parse_text(network("N"));
  Session one(load(graph, {.threads = 1, .autotune = false})), many(load(graph, {.threads = 1, .autotune = false}));
  one.run(random_inputs(graph, 1, 1)), many.run(random_inputs(graph, 1, 12));
  EXPECT_EQ(many.plan()->arena_bytes(), one.plan()->arena_bytes());
}

TEST(Batch, OfEverySizeSharesThePlanOfASlice) {
  const Graph graph = parse_text(network("N"));
  int compiled = 0;
  auto compile = [&](int threads) {
    return [&compiled, threads](Graph slice) {
      ++compiled;
      const Dims dims = slice.inputs()[0]->shape().concrete();
      return load(std::move(slice), {.threads = threads})->plan_for(std::vector<Dims>{dims});
    };
  };
  ModelSource source(graph.clone(), compile(2), 8, {}, {2, compile(1)});
  for (int64_t samples : {6, 8, 4}) source.plan_for(std::vector<Dims>{{samples, 8, 112, 112}});
  EXPECT_EQ(compiled, 1);
}

TEST(Batch, CountsTheTimeOfAllSlices) {
  const Graph graph = parse_text(network("N"));
  Session session(load(graph, {.threads = 2, .autotune = false}));
  session.set_profiling(true);
  session.run(random_inputs(graph, 1, 6));
  session.run(random_inputs(graph, 1, 6));
  ASSERT_FALSE(slices_of(session).empty());
  EXPECT_EQ(session.times().runs, 2);
  for (int64_t time : session.times().nanoseconds) EXPECT_GT(time, 0);
  Session one(load(graph, {.threads = 2, .autotune = false}));
  one.run(random_inputs(graph, 1, 1));
  EXPECT_DOUBLE_EQ(session.plan()->steps()[0].flops, 6 * one.plan()->steps()[0].flops);
}

TEST(Batch, OfSamplesThatDependOnEachOtherRunsAtOnce) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[N, 8, 96, 96]
    const %first: i64[1] = [0]
    %r = Relu(%x)
    %m = ReduceMean(%r, %first)
    %y = Sub(%x, %m)
    output "y" = %y
  })");
  Session session(load(graph, {.threads = 1}));
  const auto inputs = random_inputs(graph, 1, 4);
  expect_near(session.run(inputs)[0], evaluate(graph, inputs)[0], 1e-5, 1e-6, "y");
  EXPECT_EQ(slices_of(session), "");
}

TEST(Batch, OfAModelThatTakesNoSingleSampleRunsAtOnce) {
  const Graph graph = parse_text(R"(graph "g" {
    input %x: f32[4, 8, 96, 96]
    const %pairs: i64[4] = [2, 16, 96, 96]
    %r = Reshape(%x, %pairs)
    %y = Relu(%r)
    output "y" = %y
  })");
  Session session(load(graph, {.threads = 1}));
  const auto inputs = random_inputs(graph, 1);
  expect_near(session.run(inputs)[0], evaluate(graph, inputs)[0], 0, 0, "y");
  EXPECT_EQ(slices_of(session), "");
}

TEST(Batch, OfSlicesIsRestoredFromTheCache) {
  TemporaryFolder folder;
  const auto model = folder / "model.txt";
  for (const char* batch : {"N", "6"}) {
    write_file(model, network(batch));
    const auto inputs = random_inputs(parse_text(network(batch)), 1, 6);
    for (int threads : {1, 2}) {
      SCOPED_TRACE(fmt::format("batch {} threads {}", batch, threads));
      int imports = 0;
      auto run = [&](std::string* slices) {
        auto import = [&] {
          ++imports;
          return parse_text(MappedFile::open(model)->text());
        };
        const DeviceOptions options{.threads = threads, .autotune = false, .cache_dir = (folder / "cache").string()};
        Session session(load_file(model, import, options));
        auto outputs = session.run(inputs);
        *slices = slices_of(session);
        return outputs;
      };
      std::string made, restored;
      const auto first = run(&made), second = run(&restored);
      EXPECT_EQ(imports, 1);
      EXPECT_EQ(made, restored);
      for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(identical(first[i], second[i]));
    }
  }
}

}  // namespace
}  // namespace hone
