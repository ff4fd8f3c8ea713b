#include "graph/ops/nn/mat_mul.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/matrix.hpp"

namespace hone::ops {

OpSpec MatMul::spec() const { return {.min_inputs = 2, .max_inputs = 2, .summary = "y = a b (numpy.matmul)"}; }

void MatMul::infer(InferContext& context) const { infer_matmul(context, 0, 1, context.dtype(0)); }

void MatMul::evaluate(EvalContext& context) const {
  const Tensor &a = context.in(0), &b = context.in(1);
  if (a.dtype() != b.dtype())
    context.fail(fmt::format("inputs are {} and {}, expected one type", name_of(a.dtype()), name_of(b.dtype())),
                 "insert a Cast");
  MatMulSizes sizes = matmul_sizes(context, a.dims(), b.dims());
  check_allocation(context.place(), a.dtype(), sizes.result);
  // Unsigned arithmetic gives the same bits as signed and has no undefined overflow.
  auto whole = [&](auto tag) {
    using T = decltype(tag);
    Tensor& y = context.out(0, a.dtype(), sizes.result);
    batched_matmul(sizes, static_cast<const T*>(a.raw()), static_cast<const T*>(b.raw()),
                   static_cast<T*>(y.mutable_raw()));
  };
  if (a.dtype() == DType::i32 || a.dtype() == DType::u32) return whole(uint32_t{});
  if (a.dtype() == DType::i64 || a.dtype() == DType::u64) return whole(uint64_t{});
  with_float(context, a.dtype(), [&]<class T>(T) {
    Tensor left = input_as<T>(context, 0), right = input_as<T>(context, 1);
    output_as<T>(context, 0, a.dtype(), sizes.result,
                 [&](T* y) { batched_matmul(sizes, pointer<T>(left), pointer<T>(right), y); });
  });
}

HONE_DEFINE_OP(MatMul)

}  // namespace hone::ops
