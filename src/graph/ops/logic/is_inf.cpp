#include <cmath>

#include "graph/ops/elementwise.hpp"

namespace hone::ops {

/// y = x is infinite
struct IsInf : OpOf<IsInf> {
  bool detect_negative = true, detect_positive = true;

  const char* type() const override { return "IsInf"; }
  OpSpec spec() const override { return {.traits = elementwise_traits, .summary = "y = x is infinite"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("detect_negative", detect_negative);
    visitor.field("detect_positive", detect_positive);
  }
  void infer(InferContext& context) const override {
    require_types(context, 0, Types::floats);
    context.set_output(0, DType::boolean, context.shape(0));
  }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    bool* out = static_cast<bool*>(context.out(0, DType::boolean, x.dims()).mutable_raw());
    dispatch_types<Types::floats>(context, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* in = static_cast<const T*>(x.raw());
      for (int64_t i = 0; i < x.size(); ++i) {
        auto value = static_cast<Wide<T>>(in[i]);
        out[i] = std::isinf(value) && (value < 0 ? detect_negative : detect_positive);
      }
    });
  }
};

HONE_DEFINE_OP(IsInf)

}  // namespace hone::ops
