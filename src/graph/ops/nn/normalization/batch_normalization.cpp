#include "graph/ops/nn/normalization/batch_normalization.hpp"

#include <array>
#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec BatchNormalization::spec() const {
  return {
      .min_inputs = 5, .max_inputs = 5, .summary = "y = (x - mean) / sqrt(var + epsilon) * scale + bias by channel"};
}

void BatchNormalization::attributes(AttributeVisitor& visitor) {
  visitor.field("epsilon", epsilon);
  visitor.field("momentum", momentum);
  visitor.field("training_mode", training_mode);
}

namespace {
constexpr const char* names[] = {"input", "scale", "bias", "mean", "variance"};

template <class Context>
void check_mode(Context& context, int64_t training_mode) {
  if (training_mode) context.fail("training_mode is 1", "export the model in evaluation mode");
}
}  // namespace

void BatchNormalization::infer(InferContext& context) const {
  check_mode(context, training_mode);
  const Shape& x = context.shape(0);
  check_min_rank(context, x, 2, "[N, C, ...]");
  for (size_t i = 1; i < 5; ++i) check_vector(context, i, names[i], x.ranked ? x[1] : Dim());
  context.set_output(0, context.dtype(0), x);
}

void BatchNormalization::evaluate(EvalContext& context) const {
  check_mode(context, training_mode);
  const Dims& dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  check_min_rank(context, dims, 2, "[N, C, ...]");
  for (size_t i = 1; i < 5; ++i) check_vector(context, i, names[i], dims[1]);
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0);
    std::array<Tensor, 5> values;
    for (size_t i = 1; i < 5; ++i) values[i] = input_as<T>(context, i);
    int64_t plane = count_between(dims, 2, dims.size());
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      const T* in = pointer<T>(x);
      for (int64_t i = 0; i < dims[0] * dims[1]; ++i, in += plane, y += plane) {
        int64_t c = i % dims[1];
        T factor = pointer<T>(values[1])[c] / std::sqrt(pointer<T>(values[4])[c] + static_cast<T>(epsilon));
        T mean = pointer<T>(values[3])[c], bias = pointer<T>(values[2])[c];
        for (int64_t k = 0; k < plane; ++k) y[k] = (in[k] - mean) * factor + bias;
      }
    });
  });
}

HONE_DEFINE_OP(BatchNormalization)

}  // namespace hone::ops
