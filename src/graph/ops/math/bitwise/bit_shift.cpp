#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = a << b or a >> b, with broadcasting; shifting by the width of the type or more gives 0
struct BitShift : OpOf<BitShift> {
  std::string direction;  ///< "LEFT" or "RIGHT"

  const char* type() const override { return "BitShift"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = elementwise_traits, .summary = "y = a << b or a >> b"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("direction", direction); }
  void infer(InferContext& context) const override {
    if (direction != "LEFT" && direction != "RIGHT")
      context.fail("direction is '" + direction + "', expected 'LEFT' or 'RIGHT'");
    infer_binary(context, Types::unsigned_integers);
  }
  void evaluate(EvalContext& context) const override {
    bool left = direction == "LEFT";
    evaluate_binary<void, Types::unsigned_integers>(context, [left](auto a, auto b) {
      using T = decltype(a);
      if (b >= sizeof(T) * 8) return T(0);
      return static_cast<T>(left ? uint64_t{a} << b : uint64_t{a} >> b);
    });
  }
};

HONE_DEFINE_OP(BitShift)

}  // namespace hone::ops
