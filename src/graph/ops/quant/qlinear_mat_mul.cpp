#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/matrix.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

/// A matrix product of quantized tensors. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; scale and
/// zero point of b may be one a column.
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
    std::vector<float> b_scale = context.in(4).to_floats();
    if (b_scale.size() != 1 && static_cast<int64_t>(b_scale.size()) != sizes.n)
      context.fail(fmt::format("b_scale has {} elements, expected one or {}", b_scale.size(), sizes.n));
    double scale = scalar_input(context, 1, "a_scale") / scalar_input(context, 6, "y_scale");
    auto zero = static_cast<int64_t>(scalar_input(context, 7, "y_zero_point"));
    DType dtype = context.in(7).dtype();
    with_quantized(context, dtype, [&]<class T>(T) {
      T* y = context.out(0, dtype, sizes.result).template mutable_data<T>().data();
      const int32_t* sum = sums.data<int32_t>().data();
      for (int64_t i = 0; i < sums.size(); ++i) {
        size_t column = b_scale.size() == 1 ? 0 : static_cast<size_t>(i % sizes.n);
        y[i] = quantized<T>(sum[i] * (scale * static_cast<double>(b_scale[column])), zero);
      }
    });
  }
};

HONE_DEFINE_OP(QLinearMatMul)

}  // namespace hone::ops
