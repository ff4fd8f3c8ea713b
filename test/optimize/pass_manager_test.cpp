#include "optimize/pass_manager.hpp"

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/file.hpp"
#include "base/log.hpp"
#include "pass_testing.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

const char* block = R"(graph "block" {
  input %x: f32[N, 3, 8, 8]
  const %p: i64[8] = [0, 0, 1, 1, 0, 0, 1, 1]
  const %w: f32[4, 3, 3, 3] = random(1)
  const %g: f32[4] = random(2)
  const %v: f32[4] = fill(0.5)
  const %3: f32[] = [3]
  const %0: f32[] = [0]
  const %6: f32[] = [6]
  const %axes: i64[2] = [2, 3]
  const %z: i64[1] = [0]
  const %m: i64[1] = [-1]
  const %fc: f32[4, 5] = random(5)
  const %fb: f32[5] = random(6)
  %pad = Pad(%x, %p)
  %conv = Conv(%pad, %w)
  %bn = BatchNormalization(%conv, %g, %g, %g, %v)
  %a = Add(%bn, %3)
  %clip = Clip(%a, %0, %6)
  %h = Mul(%bn, %clip)
  %act = Div(%h, %6)
  %mean = ReduceMean(%act, %axes)
  %shape = Shape(%mean)
  %batch = Gather(%shape, %z)
  %sizes = Concat(%batch, %m) {axis=0}
  %flat = Reshape(%mean, %sizes)
  %same = Identity(%flat)
  %dense = MatMul(%same, %fc)
  %logits = Add(%dense, %fb)
  output "y" = %logits
})";

TEST(PassManager, ReducesABlockToItsEssence) {
  Graph graph = parse_text(block), original = graph.clone();
  PassReport report = optimize(graph, {.verify_each = true});
  EXPECT_TRUE(report.settled);
  EXPECT_EQ(report.nodes_before, 15u);
  EXPECT_EQ(canonical(graph),
            "%0 = Conv(%x, f32[4, 3, 3, 3], f32[4], ) pads=[1, 1, 1, 1] : f32[N, 4, 8, 8]\n"
            "%1 = HardSwish(%0, ) : f32[N, 4, 8, 8]\n"
            "%2 = GlobalAveragePool(%1, ) : f32[N, 4, 1, 1]\n"
            "%3 = Reshape(%2, i64[2] 0 4, ) : f32[N, 4]\n"
            "%4 = Gemm(%3, f32[4, 5], f32[5], ) : f32[N, 5]\n"
            "y = %4\n");
  for (unsigned seed : {1u, 2u, 3u}) expect_same_numbers(original, graph, seed);
  // A second time there is nothing left to do.
  std::string settled = to_text(graph);
  PassReport again = optimize(graph);
  EXPECT_EQ(again.rounds, 1);
  EXPECT_EQ(to_text(graph), settled);
}

TEST(PassManager, IsDeterministic) {
  Graph a = parse_text(block), b = parse_text(block);
  optimize(a);
  optimize(b);
  EXPECT_EQ(to_text(a), to_text(b));
}

TEST(PassManager, LeavesQuantizedGraphsAlone) {
  const char* text = R"(graph "qdq" {
    input %x: f32[N, 4, 5, 5]
    const %w: i8[4, 4, 3, 3] = random(1)
    const %s: f32[] = [0.1]
    const %c: f32[4] = [0.1, 0.2, 0.3, 0.4]
    const %z: u8[] = [3]
    const %b: f32[4] = random(2)
    const %zi: i8[4] = fill(0)
    %q = QuantizeLinear(%x, %s, %z)
    %d = DequantizeLinear(%q, %s, %z)
    %wd = DequantizeLinear(%w, %c, %zi) {axis=0}
    %y = Conv(%d, %wd, %b)
    %r = Relu(%y)
    %q2 = QuantizeLinear(%r, %s, %z)
    %d2 = DequantizeLinear(%q2, %s, %z)
    %d3 = DequantizeLinear(%q2, %s, %z)
    %sum = Add(%d2, %d3)
    output "y" = %sum
  })";
  Graph graph = parse_text(text);
  std::string before = to_text(graph);
  optimize(graph, {.verify_each = true});
  EXPECT_EQ(to_text(graph), before);
}

TEST(PassManager, DisabledPassesDoNotRun) {
  Graph graph = parse_text(block);
  PassReport report = optimize(graph, {.disabled = {"fold_batch_norm", "split_batch_norm"}});
  EXPECT_NE(graph.find_node("bn"), nullptr);
  for (const PassRun& run : report.passes) EXPECT_NE(run.name, "fold_batch_norm");
}

TEST(PassManager, UnknownNamesGetTheNearest) {
  Graph graph = parse_text(block);
  try {
    optimize(graph, {.disabled = {"fold_batchnorm"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("pass 'fold_batchnorm'"));
    EXPECT_THAT(error.remedy(), HasSubstr("did you mean fold_batch_norm?"));
  }
}

TEST(PassManager, NamesAreUnique) {
  std::set<std::string> names;
  for (auto& pass : standard_passes()) EXPECT_TRUE(names.insert(pass->name()).second) << pass->name();
}

/// Breaks the graph, then throws or not.
struct Vandal : Pass {
  explicit Vandal(bool throws) : throws_(throws) {}
  const char* name() const override { return "vandal"; }
  bool apply(Graph& graph) const override {
    graph.nodes().front()->name = graph.nodes().back()->name;
    if (throws_) throw Error("here", "went wrong");
    return true;
  }
  bool throws_;
};

TEST(PassManager, AFailureNamesThePassAndKeepsTheGraph) {
  for (bool throws : {true, false}) {
    std::vector<std::unique_ptr<Pass>> list;
    list.push_back(std::make_unique<Vandal>(throws));
    Graph graph = parse_text(block);
    std::string before = to_text(graph);
    try {
      run_passes(graph, list, {.verify_each = true});
      FAIL();
    } catch (const Error& error) {
      std::string what = error.what(), mark = "the graph as it was before is in ";
      EXPECT_THAT(what, HasSubstr("pass 'vandal' on graph 'block'"));
      EXPECT_THAT(what, HasSubstr(throws ? "went wrong" : "has a name that another node has too"));
      size_t begin = what.find(mark);
      ASSERT_NE(begin, std::string::npos) << what;
      begin += mark.size();
      std::filesystem::path path = what.substr(begin, what.find(';', begin) - begin);
      EXPECT_EQ(read_text_file(path), before);
      std::filesystem::remove(path);
    }
    EXPECT_EQ(to_text(graph), before);
  }
}

/// Always finds something to do.
struct Restless : Pass {
  const char* name() const override { return "restless"; }
  bool apply(Graph&) const override { return true; }
};

TEST(PassManager, RoundsAreBounded) {
  std::vector<std::unique_ptr<Pass>> list;
  list.push_back(std::make_unique<Restless>());
  Graph graph = parse_text(block);
  std::string warning;
  set_log_sink([&](LogLevel, const std::string& text) { warning += text; });
  PassReport report = run_passes(graph, list);
  set_log_sink({});
  EXPECT_FALSE(report.settled);
  EXPECT_LE(report.rounds, 100);
  EXPECT_THAT(warning, HasSubstr("still change it"));
}

TEST(PassManager, TraceAndTimesAreLogged) {
  Graph graph = parse_text(block);
  std::string lines;
  set_log_sink([&](LogLevel, const std::string& text) { lines += text + "\n"; });
  PassReport report = optimize(graph, {.trace = true, .time = true});
  set_log_sink({});
  EXPECT_THAT(lines, HasSubstr("optimize: fold_batch_norm: removed batchNormalization 'bn'"));
  EXPECT_THAT(lines, HasSubstr("nodes before"));
  EXPECT_THAT(to_string(report), HasSubstr("fold_pad"));
}

}  // namespace
}  // namespace hone
