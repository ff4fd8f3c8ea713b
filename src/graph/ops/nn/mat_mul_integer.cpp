#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/matrix.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

/// y (i32) = (a - a_zero) (b - b_zero). Inputs: a, b (8-bit), a_zero (scalar or one a row, optional), b_zero (scalar or
/// one a column, optional).
struct MatMulInteger : OpOf<MatMulInteger> {
  const char* type() const override { return "MatMulInteger"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 4, .summary = "y = (a - a_zero) (b - b_zero) in i32"};
  }
  void infer(InferContext& context) const override { infer_matmul(context, 0, 1, DType::i32); }
  void evaluate(EvalContext& context) const override {
    Tensor a = without_zero_point(context, 0, 2, -2), b = without_zero_point(context, 1, 3, -1);
    MatMulSizes sizes = matmul_sizes(context, a.dims(), b.dims());
    check_allocation(context.place(), DType::i32, sizes.result);
    Tensor& y = context.out(0, DType::i32, sizes.result);
    batched_matmul(sizes, pointer<uint32_t>(a), pointer<uint32_t>(b), static_cast<uint32_t*>(y.mutable_raw()));
  }
};

HONE_DEFINE_OP(MatMulInteger)

}  // namespace hone::ops
