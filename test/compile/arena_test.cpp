#include "compile/arena.hpp"

#include <gtest/gtest.h>

#include "graph_checks.hpp"

namespace hone {
namespace {

TEST(Arena, LiveBlocksNeverOverlapAndMemoryStaysNearTheBound) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    testing_tools::Random random(seed);
    std::vector<Lifetime> blocks;
    int count = static_cast<int>(random.integer(1, 40));
    for (int i = 0; i < count; ++i) {
      int first = static_cast<int>(random.integer(0, 30));
      blocks.push_back(
          {static_cast<size_t>(random.integer(0, 5000)), first, first + static_cast<int>(random.integer(0, 6))});
    }
    ArenaLayout layout = pack_arena(blocks);
    for (size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(layout.offsets[i] % 64, 0u);
      EXPECT_LE(layout.offsets[i] + blocks[i].bytes, layout.bytes);
      for (size_t j = 0; j < i; ++j) {
        bool together = blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
        bool apart = layout.offsets[i] + blocks[i].bytes <= layout.offsets[j] ||
                     layout.offsets[j] + blocks[j].bytes <= layout.offsets[i];
        EXPECT_TRUE(!together || apart) << "seed " << seed;
      }
    }
    EXPECT_GE(layout.bytes, layout.largest_live);
    EXPECT_LE(layout.bytes, layout.largest_live * 3 / 2 + 64) << "seed " << seed;
  }
}

TEST(Arena, AChainNeedsTwoBlocks) {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1024, i, i + 1});
  EXPECT_EQ(pack_arena(chain).bytes, 2048u);
}

}  // namespace
}  // namespace hone
