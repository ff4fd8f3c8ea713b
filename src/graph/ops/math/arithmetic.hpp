#pragma once
#include <optional>

#include "graph/ops/types.hpp"

/// Integer arithmetic without undefined results, and its use on the sizes of shape computations.
namespace hone::ops {

/// a / b; integers truncate toward 0 and wrap around, and an integer divided by 0 is 0.
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a / b;
  } else {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return wrap_sub(T(0), a);
    return static_cast<T>(a / b);
  }
}

/// The exact result, nullopt when it does not fit (or divides by 0).
std::optional<int64_t> checked_add(int64_t a, int64_t b);
std::optional<int64_t> checked_sub(int64_t a, int64_t b);
std::optional<int64_t> checked_mul(int64_t a, int64_t b);
std::optional<int64_t> checked_div(int64_t a, int64_t b);

struct DimRule {
  bool commutative = false;
  int64_t neutral = 0;  ///< an unknown or symbolic size stays itself when combined with this from the right
};
/// Computes the known integers of output 0 from those of inputs 0 and 1.
void propagate_dims(InferContext& context, DimRule rule, std::optional<int64_t> (*compute)(int64_t, int64_t));

}  // namespace hone::ops
