#include "compile/arena.hpp"

#include <algorithm>
#include <numeric>

namespace hone {

namespace {

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t largest_live_set(const std::vector<Lifetime>& lifetimes) {
  int steps = 0;
  for (const Lifetime& block : lifetimes) steps = std::max(steps, block.last + 1);
  std::vector<size_t> live(static_cast<size_t>(steps), 0);
  for (const Lifetime& block : lifetimes)
    for (int step = block.first; step <= block.last; ++step) live[static_cast<size_t>(step)] += aligned(block.bytes);
  return live.empty() ? 0 : *std::max_element(live.begin(), live.end());
}

}  // namespace

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes) {
  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  layout.largest_live = largest_live_set(lifetimes);
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<size_t> placed;  // sorted by offset
  for (size_t block : order) {
    const Lifetime& mine = lifetimes[block];
    size_t size = aligned(mine.bytes), cursor = 0;
    for (size_t other : placed) {
      const Lifetime& theirs = lifetimes[other];
      if (theirs.last < mine.first || mine.last < theirs.first) continue;
      if (layout.offsets[other] >= cursor + size) break;
      cursor = std::max(cursor, layout.offsets[other] + aligned(theirs.bytes));
    }
    layout.offsets[block] = cursor;
    layout.bytes = std::max(layout.bytes, cursor + size);
    auto position = std::upper_bound(placed.begin(), placed.end(), block,
                                     [&](size_t a, size_t b) { return layout.offsets[a] < layout.offsets[b]; });
    placed.insert(position, block);
  }
  return layout;
}

}  // namespace hone
