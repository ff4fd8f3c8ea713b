#include <gtest/gtest.h>

#include <fmt/format.h>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"
#include "tensor/int4.hpp"

namespace hone {
namespace {

using testing_tools::expect_near;
using testing_tools::random_inputs;

/// A product with weights of this type in groups (0: one scale a channel) and what may follow it.
std::string product(const char* type, int64_t rows, int64_t depth, int64_t channels, int64_t group, bool transposed,
                    bool zeros) {
  const int64_t groups = group ? (depth + group - 1) / group : 1;
  const std::string w = transposed ? fmt::format("{}, {}", channels, depth) : fmt::format("{}, {}", depth, channels);
  const std::string s = group == 0   ? fmt::format("{}", channels)
                        : transposed ? fmt::format("{}, {}", channels, groups)
                                     : fmt::format("{}, {}", groups, channels);
  std::string text = fmt::format(
      "graph \"g\" {{\n input %x: f32[{}, {}]\nconst %w: {}[{}] = random(1)\nconst %s: f32[{}] = random(2)\nconst %b: "
      "f32[{}] = random(3)\n",
      rows, depth, type, w, s, channels);
  if (zeros) text += fmt::format("const %z: {}[{}] = random(4)\n", type, s);
  text += fmt::format("%d = DequantizeLinear(%w, %s{}) {{axis={}{}}}\n", zeros ? ", %z" : "",
                      (group == 0) == transposed ? 0 : 1, group ? fmt::format(", block_size={}", group) : "");
  if (group != 0) text = text.replace(text.find("{axis="), 7, transposed ? "{axis=1" : "{axis=0");
  if (transposed) text += "%p = Gemm(%x, %d, %b) {transB=1}\n";
  else text += "%m = MatMul(%x, %d)\n%p = Add(%m, %b)\n";
  return text + "%t = Tanh(%x)\n%y = Relu(%p)\noutput \"y\" = %y\n}";
}

/// The graph with its 8-bit constants as 4-bit ones.
Graph in_4_bits(Graph graph) {
  for (Value* value : graph.constants()) {
    const bool is_signed = value->dtype() == DType::i8;
    if (!is_signed && value->dtype() != DType::u8) continue;
    Tensor made(is_signed ? dtype_i4 : dtype_u4, value->constant().dims());
    const auto* in = static_cast<const uint8_t*>(value->constant().raw());
    auto* out = static_cast<uint8_t*>(made.mutable_raw());
    for (int64_t i = 0; i < made.size(); ++i) out[i] = static_cast<uint8_t>((in[i] & 15) - (is_signed ? 8 : 0));
    graph.replace_uses(value, graph.add_constant(value->name + "4", made));
  }
  graph.remove_dead();
  graph.infer();
  return graph;
}

TEST(PackedMatMul, IntegersBecomeFloatsInTheProduct) {
  for (const char* type : {"i8", "u8"})
    for (int64_t group : {0, 16, 7})
      for (bool transposed : {false, true})
        for (bool zeros : {false, true})
          for (int64_t rows : {1, 3, 9, 50}) {
            const std::string text = product(type, rows, 45, rows == 9 ? 70 : 37, group, transposed, zeros);
            const bool four = (rows + group + zeros) % 2 == 0;
            SCOPED_TRACE(text + (four ? " in 4 bits" : ""));
            const Graph graph = four ? in_4_bits(parse_text(text)) : parse_text(text);
            auto inputs = random_inputs(graph, 3, 1);
            auto expected = evaluate(graph, inputs);
            for (int threads : {1, 3}) {
              Session session(load(graph, {.threads = threads, .autotune = false}));
              for (int round = 0; round < 2; ++round)
                expect_near(session.run(inputs)[0], expected[0], 2e-5, 2e-3, "product");
              bool packed = false;
              for (const StepInfo& step : session.plan()->steps()) packed |= step.kernel.starts_with("hone matmul int");
              EXPECT_TRUE(packed);
            }
          }
}

TEST(PackedMatMul, WeightsStaySmall) {
  const Graph graph = in_4_bits(parse_text(product("i8", 1, 1024, 1024, 64, false, false)));
  Session session(load(graph, {.threads = 1}));
  session.run(random_inputs(graph, 3, 1));
  EXPECT_LT(session.plan()->weight_bytes(), 1024u * 1024u * 6 / 8);  // half a byte, and scales
}

}  // namespace
}  // namespace hone
