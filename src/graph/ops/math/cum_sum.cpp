#include "graph/ops/math/cumulative.hpp"

namespace hone::ops {

/// y[i] = x[0] + ... + x[i] along the axis in input 1
struct CumSum : Cumulative<CumSum> {
  static constexpr int neutral = 0;
  template <class T>
  static T combine(T a, T b) {
    return a + b;
  }
  const char* type() const override { return "CumSum"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y[i] = x[0] + ... + x[i] along an axis"};
  }
};

HONE_DEFINE_OP(CumSum)

}  // namespace hone::ops
