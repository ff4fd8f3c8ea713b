#include "devices/cpu/parts.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

namespace hone::cpu {

namespace {

struct Use {
  size_t step, input;
};

/// Where a slot lies, row by row.
struct Spot {
  int whole;
  Placement place;
};

class PartFinder {
 public:
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  /// `limit`: of the largest live set.
  PartFinder(std::span<const PartStep> steps, std::vector<Lifetime>& lifetimes, const std::vector<bool>& movable,
             size_t limit)
      : steps_(steps),
        lifetimes_(lifetimes),
        movable_(movable),
        limit_(limit),
        uses_(lifetimes.size()),
        makers_(lifetimes.size(), -1),
        spots_(lifetimes.size()) {
    for (size_t step = 0; step < steps.size(); ++step) {
      for (size_t i = 0; i < steps[step].inputs.size(); ++i)
        if (const int slot = steps[step].inputs[i]; slot >= 0) uses_[index(slot)].push_back({step, i});
      for (int slot : steps[step].outputs) makers_[index(slot)] = static_cast<int>(step);
    }
  }

  std::vector<Part> find() {
    // The last ones first: they may hold the others.
    for (size_t step = steps_.size(); step-- > 0;)
      if (!steps_[step].outputs.empty() && !join_neighbors(step)) place_inputs(step);
    std::vector<Part> parts(spots_.size());
    for (size_t slot = 0; slot < spots_.size(); ++slot)
      if (spots_[slot]) parts[slot] = {spots_[slot]->whole, spots_[slot]->place.offset};
    return parts;
  }

  void tell_kernels() const {
    for (const auto& message : messages_) message();
  }

 private:
  static size_t index(int slot) { return static_cast<size_t>(slot); }

  /// All inputs lie side by side in one value already, as this step would copy them: its output is a part of it.
  bool join_neighbors(size_t step) {
    const PartStep& s = steps_[step];
    const int out = s.outputs[0];
    if (!movable_[index(out)] || spots_[index(out)]) return false;
    std::optional<Spot> joined;
    for (size_t i = 0; i < s.inputs.size(); ++i) {
      const auto place = s.kernel->placement(i);
      if (!place || s.inputs[i] < 0) return false;
      const auto& spot = spots_[index(s.inputs[i])];
      if (!spot || spot->place.rows != place->rows || spot->place.length != place->length ||
          spot->place.offset < place->offset)
        return false;
      const Spot here{spot->whole, {spot->place.offset - place->offset, place->row, spot->place.row, place->rows}};
      if (joined && (joined->whole != here.whole || joined->place.offset != here.place.offset ||
                     joined->place.row != here.place.row))
        return false;
      joined = here;
    }
    if (!joined || !readable(out, joined->place, step) || !move(out, *joined)) return false;
    for (size_t i = 0; i < s.inputs.size(); ++i) leave(step, i);
    tell(out, joined->place, step);
    return true;
  }

  void place_inputs(size_t step) {
    const PartStep& s = steps_[step];
    const int out = s.outputs[0];
    for (size_t i = 0; i < s.inputs.size(); ++i) {
      const auto place = s.kernel->placement(i);
      const int in = s.inputs[i];
      if (!place || in < 0 || !movable_[index(in)] || spots_[index(in)] || makers_[index(in)] < 0) continue;
      if (std::count(s.inputs.begin(), s.inputs.end(), in) > 1) continue;
      const auto spot = within(out, *place);
      if (!spot || !writable(in, spot->place) || !readable(in, spot->place, step) || !move(in, *spot)) continue;
      leave(step, i);
      if (!spot->place.dense())
        messages_.push_back([kernel = steps_[index(makers_[index(in)])].kernel, row = spot->place.row] {
          kernel->space_output(row);
        });
      tell(in, spot->place, step);
    }
  }

  /// A place in slot `out`, which may itself be a part.
  std::optional<Spot> within(int out, Placement place) const {
    const auto& outer = spots_[index(out)];
    if (!outer) return Spot{out, place};
    place.offset += outer->place.offset;
    if (!outer->place.dense()) {
      // Rows of the inner one are rows of the outer one.
      if (place.rows != outer->place.rows || place.row != outer->place.length) return std::nullopt;
      place.row = outer->place.row;
    }
    return Spot{outer->whole, place};
  }

  bool writable(int slot, const Placement& place) const {
    const PartStep& maker = steps_[index(makers_[index(slot)])];
    return place.dense() || (maker.outputs[0] == slot && maker.kernel->spaces_output(place.length));
  }

  /// Whether all steps but `except` can read it there.
  bool readable(int slot, const Placement& place, size_t except) const {
    return place.dense() || std::all_of(uses_[index(slot)].begin(), uses_[index(slot)].end(), [&](const Use& use) {
      return use.step == except || steps_[use.step].kernel->spaces_input(use.input, place.length);
    });
  }

  void tell(int slot, const Placement& place, size_t except) {
    if (place.dense()) return;
    for (const Use& use : uses_[index(slot)])
      if (use.step != except)
        messages_.push_back([kernel = steps_[use.step].kernel, input = use.input, row = place.row] {
          kernel->space_input(input, row);
        });
  }

  void leave(size_t step, size_t input) {
    messages_.push_back([kernel = steps_[step].kernel, input] { kernel->leave(input); });
  }

  bool move(int slot, const Spot& spot) {
    Lifetime &mine = lifetimes_[index(slot)], &whole = lifetimes_[index(spot.whole)];
    const Lifetime before[] = {mine, whole};
    whole.first = std::min(whole.first, mine.first);
    whole.last = std::max(whole.last, mine.last);
    mine.bytes = 0;
    if (limit_ != kNoLimit && largest_live(lifetimes_) > limit_) {
      mine = before[0], whole = before[1];
      return false;
    }
    spots_[index(slot)] = spot;
    return true;
  }

  std::span<const PartStep> steps_;
  std::vector<Lifetime>& lifetimes_;
  const std::vector<bool>& movable_;
  size_t limit_;
  std::vector<std::vector<Use>> uses_;
  std::vector<int> makers_;  // steps
  std::vector<std::optional<Spot>> spots_;
  std::vector<std::function<void()>> messages_;  // to kernels
};

}  // namespace

std::vector<Part> place_parts(std::span<const PartStep> steps, std::vector<Lifetime>& lifetimes,
                              const std::vector<bool>& movable) {
  // A whole takes more memory before the parts that it holds are all found: together first, then one by one.
  const size_t before = largest_live(lifetimes);
  for (size_t limit : {PartFinder::kNoLimit, before}) {
    std::vector<Lifetime> changed = lifetimes;
    PartFinder finder(steps, changed, movable, limit);
    auto parts = finder.find();
    if (largest_live(changed) > before) continue;
    finder.tell_kernels();
    lifetimes = std::move(changed);
    return parts;
  }
  return std::vector<Part>(lifetimes.size());
}

}  // namespace hone::cpu
