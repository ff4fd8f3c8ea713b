#pragma once
#include <algorithm>

#include <fmt/format.h>

#include "graph/op.hpp"
#include "graph/ops/shape/move.hpp"

/// What ops that read or write at computed positions share.
namespace hone::ops {

/// `index` counted from the front; fails when it is outside an axis of this size.
template <class Context>
int64_t front_index(Context& context, int64_t index, int64_t size) {
  if (index < -size || index >= size) context.fail(fmt::format("index {} is outside an axis of size {}", index, size));
  return index < 0 ? index + size : index;
}

/// Fails when input i is known not to hold indices.
template <class Context>
void check_index_type(Context& context, DType dtype, size_t i) {
  if (dtype != DType::i32 && dtype != DType::i64 && dtype != DType::undefined)
    context.fail(fmt::format("input {} (indices) is {}, expected i64", i, name_of(dtype)), "insert a Cast");
}

/// How Scatter ops combine what is there with an update.
enum class Reduction { none, add, mul, max, min };

template <class Context>
Reduction parse_reduction(Context& context, const std::string& name) {
  constexpr const char* names[] = {"none", "add", "mul", "max", "min"};
  for (int i = 0; i < 5; ++i)
    if (name == names[i]) return static_cast<Reduction>(i);
  context.fail("reduction is '" + name + "', expected none, add, mul, max or min");
}

/// Combines two elements of a numeric type; integers wrap around.
template <class T>
T reduce(Reduction reduction, T old_value, T update) {
  if constexpr (std::is_same_v<T, bool>) {
    if (reduction == Reduction::none) return update;
    bool either = reduction == Reduction::add || reduction == Reduction::max;
    return either ? old_value || update : old_value && update;
  } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return T(reduce<float>(reduction, old_value, update));
  } else {
    // Unsigned 64-bit arithmetic has the low bits of every integer type and no undefined overflow.
    using Wide = std::conditional_t<std::is_integral_v<T>, uint64_t, T>;
    switch (reduction) {
      case Reduction::add: return static_cast<T>(static_cast<Wide>(old_value) + static_cast<Wide>(update));
      case Reduction::mul: return static_cast<T>(static_cast<Wide>(old_value) * static_cast<Wide>(update));
      case Reduction::max: return std::max(old_value, update);
      case Reduction::min: return std::min(old_value, update);
      default: return update;
    }
  }
}

}  // namespace hone::ops
