#include "graph/ops/shape/cast.hpp"

namespace hone::ops {

/// y = x in the element type of input 1.
struct CastLike : OpOf<CastLike> {
  int64_t saturate = 1;  ///< about float 8 only

  const char* type() const override { return "CastLike"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y = x in the element type of input 1"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("saturate", saturate); }
  void infer(InferContext& context) const override { as_cast(context.dtype(1)).infer(context); }
  void evaluate(EvalContext& context) const override { as_cast(context.in(1).dtype()).evaluate(context); }

 private:
  static Cast as_cast(DType to) {
    Cast cast;
    cast.to = to;
    return cast;
  }
};

HONE_DEFINE_OP(CastLike)

}  // namespace hone::ops
