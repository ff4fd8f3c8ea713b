#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

namespace {
/// Remainder with the sign of the divisor (Python's %), a zero of floating point too; 0 when b is the integer 0.
template <class T>
T modulo(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    T rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(rest, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
  } else {
    if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) return 0;
    T rest = static_cast<T>(a % b);
    return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
  }
}
/// Remainder with the sign of the dividend (C's fmod); 0 when b is the integer 0.
template <class T>
T remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  else return b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1)) ? T(0) : static_cast<T>(a % b);
}
}  // namespace

/// y = a mod b, with broadcasting; the result has the sign of b, or that of a when fmod is set
struct Mod : OpOf<Mod> {
  bool fmod = false;

  const char* type() const override { return "Mod"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = a mod b"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("fmod", fmod); }
  void infer(InferContext& context) const override { infer_binary(context, Types::numbers); }
  void evaluate(EvalContext& context) const override {
    if (fmod)
      evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return remainder(a, b); });
    else
      evaluate_binary<void, Types::numbers>(context, [](auto a, auto b) { return modulo(a, b); });
  }
};

HONE_DEFINE_OP(Mod)

}  // namespace hone::ops
