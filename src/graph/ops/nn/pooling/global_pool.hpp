#pragma once
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

/// What pools over whole channels share.
namespace hone::ops {

inline void infer_global_pool(InferContext& context) {
  Shape result = context.shape(0);
  check_min_rank(context, result, 3, "[N, C, spatial...]");
  for (size_t i = 2; i < result.dims.size(); ++i) {
    if (result[i] == Dim(0)) context.fail("input has shape " + to_string(context.shape(0)) + ", nothing to pool");
    result[i] = 1;
  }
  context.set_output(0, context.dtype(0), result);
}

/// y of each channel = pool(const T* x, elements).
template <class F>
void evaluate_global_pool(EvalContext& context, F pool) {
  Dims dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  check_min_rank(context, dims, 3, "[N, C, spatial...]");
  int64_t plane = count_between(dims, 2, dims.size());
  if (plane == 0) context.fail("input has shape " + to_string(dims) + ", nothing to pool");
  std::fill(dims.begin() + 2, dims.end(), 1);
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0);
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      for (int64_t i = 0; i < dims[0] * dims[1]; ++i) y[i] = static_cast<T>(pool(pointer<T>(x) + i * plane, plane));
    });
  });
}

}  // namespace hone::ops
