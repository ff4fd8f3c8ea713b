#include "graph/ops/reduce/arg_extreme.hpp"

namespace hone::ops {

/// y = index of the largest x along an axis
struct ArgMax : ArgExtremeOf<ArgMax> {
  const char* type() const override { return "ArgMax"; }
  OpSpec spec() const override { return {.summary = "y = index of the largest x along an axis"}; }

 protected:
  bool largest() const override { return true; }
};

HONE_DEFINE_OP(ArgMax)

}  // namespace hone::ops
