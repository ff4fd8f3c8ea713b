#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// The number of elements of x.
struct Size : OpOf<Size> {
  const char* type() const override { return "Size"; }
  OpSpec spec() const override { return {.summary = "y = number of elements of x"}; }
  void infer(InferContext& context) const override {
    context.set_output(0, DType::i64, Shape(std::vector<Dim>{}));
    if (context.shape(0).ranked) context.set_dims_value(0, {product(context.shape(0).dims)});
  }
  void evaluate(EvalContext& context) const override {
    context.out(0, DType::i64, {}).mutable_data<int64_t>()[0] = context.in(0).size();
  }
};

HONE_DEFINE_OP(Size)

}  // namespace hone::ops
