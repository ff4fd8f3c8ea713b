#include "graph/ops/reduce/arg_extreme.hpp"

namespace hone::ops {

/// y = index of the smallest x along an axis
struct ArgMin : ArgExtremeOf<ArgMin> {
  const char* type() const override { return "ArgMin"; }
  OpSpec spec() const override { return {.summary = "y = index of the smallest x along an axis"}; }

 protected:
  bool largest() const override { return false; }
};

HONE_DEFINE_OP(ArgMin)

}  // namespace hone::ops
