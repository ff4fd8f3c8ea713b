#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/matrix.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

/// A matrix product of quantized tensors. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; scale and
/// zero point of a and y may be one a row, those of b one a column.
struct QLinearMatMul : OpOf<QLinearMatMul> {
  const char* type() const override { return "QLinearMatMul"; }
  OpSpec spec() const override {
    return {.min_inputs = 8, .max_inputs = 8, .summary = "y = quantize(dequantize(a) dequantize(b))"};
  }
  void infer(InferContext& context) const override { infer_matmul(context, 0, 3, context.dtype(7)); }
  void evaluate(EvalContext& context) const override {
    Tensor a = without_zero_point(context, 0, 2, -2), b = without_zero_point(context, 3, 5, -1);
    MatMulSizes sizes = matmul_sizes(context, a.dims(), b.dims());
    check_allocation(context.place(), DType::i32, sizes.result);
    Tensor sums(DType::i32, sizes.result);
    batched_matmul(sizes, pointer<uint32_t>(a), pointer<uint32_t>(b), static_cast<uint32_t*>(sums.mutable_raw()));
    std::vector<double> a_scale = parameter_values(context, 1, "a_scale", sizes.result, -2);
    std::vector<double> b_scale = parameter_values(context, 4, "b_scale", sizes.result, -1);
    std::vector<double> y_scale = parameter_values(context, 6, "y_scale", sizes.result, -2);
    std::vector<double> y_zero = parameter_values(context, 7, "y_zero_point", sizes.result, -2);
    DType dtype = context.in(7).dtype();
    with_quantized(context, dtype, [&]<class T>(T) {
      auto y = context.out(0, dtype, sizes.result).template mutable_data<T>();
      auto sum = sums.data<int32_t>();
      for (size_t i = 0; i < y.size(); ++i)
        y[i] = quantized<T>(sum[i] * (a_scale[i] * b_scale[i] / y_scale[i]), static_cast<int64_t>(y_zero[i]));
    });
  }
};

HONE_DEFINE_OP(QLinearMatMul)

}  // namespace hone::ops
