#pragma once
#include <span>
#include <vector>

#include "compile/arena.hpp"
#include "devices/cpu/kernel.hpp"

namespace hone::cpu {

/// A step of a plan: its kernel, and the slots (values) that it reads (-1: none) and makes.
struct PartStep {
  Kernel* kernel;
  std::span<const int> inputs, outputs;
};

/// Where a value lies within another one.
struct Part {
  int whole = -1;     ///< slot; -1: the value has memory of its own
  size_t offset = 0;  ///< bytes
};

/// Finds the values that can be made in their place of a concatenation, tells the kernels of the steps so, and returns
/// the place of each slot. A concatenation of values that are neighbors in a larger one already (as in dense networks,
/// which concatenate all values so far again and again) becomes a part of that one, too.
/// `lifetimes`: of the slots, changed accordingly; 0 bytes where a slot takes nothing from the arena. The largest live
/// set never grows: a value that would hold a whole for long before the rest of it is made keeps its memory.
/// `movable`: which slots may be parts; not those in memory of the caller.
std::vector<Part> place_parts(std::span<const PartStep> steps, std::vector<Lifetime>& lifetimes,
                              const std::vector<bool>& movable);

}  // namespace hone::cpu
