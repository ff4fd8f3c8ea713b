#pragma once
#include <vector>

#include "graph/op.hpp"

/// What the window functions share: y[n] = sum of terms[k] cos(2 pi k n / N), with N = size, or size - 1 where the
/// window is symmetric. Input: size (a scalar).
namespace hone::ops {

struct WindowFields {
  DType output_datatype = DType::f32;
  int64_t periodic = 1;  ///< 0: symmetric

  void visit(AttributeVisitor& visitor);
};

void infer_window(InferContext& context, const WindowFields& fields);
void evaluate_window(EvalContext& context, const WindowFields& fields, const std::vector<double>& terms);

}  // namespace hone::ops
