#include <fmt/format.h>
#include <gtest/gtest.h>

#include "compile/arena.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

/// The memory of activations is at most a tenth more than the most that is alive at a time, for the shapes of real
/// networks.
namespace hone {
namespace {

/// Writes a network layer by layer.
class Network {
 public:
  explicit Network(int64_t size) { text_ = fmt::format("graph \"g\" {{\n  input %x: f32[1, 3, {0}, {0}]\n", size); }
  std::string conv(const std::string& x, int64_t in, int64_t out, int64_t kernel, int64_t stride, bool relu = true) {
    const int64_t pad = kernel / 2;
    text_ += fmt::format("  const %w{0}: f32[{1}, {2}, {3}, {3}] = random({0})\n", ++count_, out, in, kernel);
    const std::string y = add(
        fmt::format("Conv({0}, %w{1}) {{strides=[{2}, {2}], pads=[{3}, {3}, {3}, {3}]}}", x, count_, stride, pad));
    return relu ? add("Relu(" + y + ")") : y;
  }
  std::string add(const std::string& node) {
    text_ += fmt::format("  %v{} = {}\n", ++values_, node);
    return fmt::format("%v{}", values_);
  }
  void line(const std::string& text) { text_ += "  " + text + "\n"; }
  Graph finish(const std::string& y) { return parse_text(text_ + "  output \"y\" = " + y + "\n}"); }

 private:
  std::string text_;
  int count_ = 0, values_ = 0;
};

void expect_packed_well(const Graph& graph) {
  auto source = load(graph, {.threads = 1, .autotune = false});
  std::vector<Dims> sizes{graph.inputs()[0]->shape().concrete()};
  auto plan = source->plan_for(sizes);
  const auto* packed = dynamic_cast<const PackedActivations*>(plan.get());
  ASSERT_NE(packed, nullptr);
  ASSERT_GT(packed->largest_live_bytes(), 0u);
  EXPECT_LE(static_cast<double>(plan->arena_bytes()), 1.1 * static_cast<double>(packed->largest_live_bytes()));
}

TEST(ArenaUse, Residuals) {
  Network net(64);
  std::string x = net.conv("%x", 3, 32, 7, 2);
  int64_t channels = 32;
  for (int stage = 0; stage < 3; ++stage)
    for (int block = 0; block < 3; ++block) {
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1, out = int64_t{64} << stage;
      std::string a = net.conv(x, channels, out / 4, 1, 1), b = net.conv(a, out / 4, out / 4, 3, stride);
      std::string c = net.conv(b, out / 4, out, 1, 1, false);
      std::string shortcut = channels == out ? x : net.conv(x, channels, out, 1, stride, false);
      x = net.add("Relu(" + net.add(fmt::format("Add({}, {})", c, shortcut)) + ")");
      channels = out;
    }
  expect_packed_well(net.finish(x));
}

TEST(ArenaUse, DenseConcatenation) {
  Network net(48);
  std::string x = net.conv("%x", 3, 32, 3, 2);
  int64_t channels = 32;
  for (int layer = 0; layer < 8; ++layer) {
    std::string a = net.conv(x, channels, 64, 1, 1), b = net.conv(a, 64, 16, 3, 1);
    x = net.add(fmt::format("Concat({}, {}) {{axis=1}}", x, b));
    channels += 16;
  }
  expect_packed_well(net.finish(net.conv(x, channels, 32, 1, 1)));
}

TEST(ArenaUse, SkipsAcrossScales) {
  Network net(64);
  net.line("const %scales: f32[4] = [1, 1, 2, 2]");
  std::vector<std::string> skips;
  std::string x = "%x";
  int64_t channels = 3;
  for (int level = 0; level < 4; ++level) {
    x = net.conv(net.conv(x, channels, int64_t{16} << level, 3, 1), int64_t{16} << level, int64_t{16} << level, 3, 1);
    channels = int64_t{16} << level;
    skips.push_back(x);
    if (level < 3) x = net.add("MaxPool(" + x + ") {kernel_shape=[2, 2], strides=[2, 2]}");
  }
  for (int level = 2; level >= 0; --level) {
    std::string up = net.add("Resize(" + x + ", _, %scales) {mode=\"nearest\"}");
    x = net.add(fmt::format("Concat({}, {}) {{axis=1}}", up, skips[static_cast<size_t>(level)]));
    x = net.conv(x, channels + (int64_t{16} << level), int64_t{16} << level, 3, 1);
    channels = int64_t{16} << level;
  }
  expect_packed_well(net.finish(net.conv(x, channels, 2, 1, 1, false)));
}

}  // namespace
}  // namespace hone
