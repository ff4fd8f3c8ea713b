#include "compile/arena.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace hone {

namespace {

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

std::vector<size_t> live_bytes(const std::vector<Lifetime>& lifetimes) {
  int steps = 0;
  for (const Lifetime& block : lifetimes) steps = std::max(steps, block.last + 1);
  std::vector<size_t> live(static_cast<size_t>(steps), 0);
  for (const Lifetime& block : lifetimes)
    for (int step = block.bytes > 0 ? block.first : block.last + 1; step <= block.last; ++step)
      live[static_cast<size_t>(step)] += aligned(block.bytes);
  return live;
}

/// Places the blocks in this order, each at the lowest offset that is free all the time it lives.
void place(const std::vector<Lifetime>& lifetimes, const std::vector<size_t>& order, ArenaLayout& layout) {
  layout.bytes = 0;
  layout.offsets.assign(lifetimes.size(), 0);
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
}

using Before = std::function<bool(size_t, size_t)>;

}  // namespace

size_t largest_live(const std::vector<Lifetime>& lifetimes) {
  const std::vector<size_t> live = live_bytes(lifetimes);
  return live.empty() ? 0 : *std::max_element(live.begin(), live.end());
}

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes) {
  const std::vector<size_t> live = live_bytes(lifetimes);
  const size_t largest_live = live.empty() ? 0 : *std::max_element(live.begin(), live.end());
  std::vector<size_t> fullest;  // of a block: bytes alive in the fullest step of its life
  for (const Lifetime& block : lifetimes)
    fullest.push_back(*std::max_element(live.begin() + block.first, live.begin() + block.last + 1));
  auto larger = [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; };
  const Before orders[] = {
      larger,
      [&](size_t a, size_t b) { return fullest[a] != fullest[b] ? fullest[a] > fullest[b] : larger(a, b); },
      [&](size_t a, size_t b) {
        return lifetimes[a].first != lifetimes[b].first ? lifetimes[a].first < lifetimes[b].first : larger(a, b);
      },
  };
  ArenaLayout best, next;
  for (const Before& before : orders) {
    std::vector<size_t> order(lifetimes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    place(lifetimes, order, next);
    if (best.offsets.empty() || next.bytes < best.bytes) best = next;
    if (best.bytes == largest_live) break;
  }
  best.largest_live = largest_live;
  return best;
}

}  // namespace hone
