#pragma once
#include <limits>
#include <type_traits>

#include "graph/op.hpp"

/// Groups of element types that ops accept, and arithmetic that is defined for all of their values.
namespace hone::ops {

enum class Types : uint8_t { floats, integers, unsigned_integers, numbers, boolean, numbers_or_bool };

bool accepts(Types types, DType dtype);
const char* describe(Types types);  ///< "a floating-point type"

/// Throws Error when input i is known to have another type; an input that is absent or not typed yet passes.
void require_types(const InferContext& context, size_t i, Types types);
/// Throws Error when inputs i and j are known to have different types.
void require_same_type(const InferContext& context, size_t i, size_t j);
/// "input is f32, expected an integer type", for evaluations.
[[noreturn]] void fail_type(const EvalContext& context, DType dtype, Types types);

/// The type to compute in: f32 for f16 and bf16.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;
template <class T>
constexpr bool is_float_type = std::is_floating_point_v<Wide<T>>;

/// Calls f(T{}) for the types of one group; other types are an Error.
template <Types types, class F>
void dispatch_types(const EvalContext& context, DType dtype, F&& f) {
  constexpr bool numbers = types == Types::numbers || types == Types::numbers_or_bool;
  if constexpr (numbers || types == Types::floats) {
    switch (dtype) {
      case DType::f32: return f(float{});
      case DType::f64: return f(double{});
      case DType::f16: return f(Half{});
      case DType::bf16: return f(BFloat16{});
      default: break;
    }
  }
  if constexpr (numbers || types == Types::integers || types == Types::unsigned_integers) {
    switch (dtype) {
      case DType::u8: return f(uint8_t{});
      case DType::u16: return f(uint16_t{});
      case DType::u32: return f(uint32_t{});
      case DType::u64: return f(uint64_t{});
      default: break;
    }
  }
  if constexpr (numbers || types == Types::integers) {
    switch (dtype) {
      case DType::i8: return f(int8_t{});
      case DType::i16: return f(int16_t{});
      case DType::i32: return f(int32_t{});
      case DType::i64: return f(int64_t{});
      default: break;
    }
  }
  if constexpr (types == Types::boolean || types == Types::numbers_or_bool)
    if (dtype == DType::boolean) return f(bool{});
  fail_type(context, dtype, types);
}

/// Unsigned type of at least 32 bits in which integers of type T wrap around instead of overflowing.
template <class T>
using Wrap = std::conditional_t<(sizeof(T) > 4), uint64_t, uint32_t>;

template <class T>
T wrap_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a + b;
  else return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
}
template <class T>
T wrap_sub(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a - b;
  else return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
}
template <class T>
T wrap_mul(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a * b;
  else return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
}

template <class T>
bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>) return value != value;
  else return false;
}
/// The larger (smaller) number; NaN when one of them is NaN.
template <class T>
T max_nan(T a, T b) {
  return b > a || is_nan(b) ? b : a;
}
template <class T>
T min_nan(T a, T b) {
  return b < a || is_nan(b) ? b : a;
}

/// Rounds to floats; for integers truncates and saturates, and NaN becomes 0.
template <class T>
T from_double(double value) {
  if constexpr (is_float_type<T>) {
    return T(static_cast<Wide<T>>(value));
  } else {
    using Limits = std::numeric_limits<T>;
    if (value != value) return 0;
    if (value <= static_cast<double>(Limits::min())) return Limits::min();
    if (value >= static_cast<double>(Limits::max())) return Limits::max();
    return static_cast<T>(value);
  }
}

}  // namespace hone::ops
