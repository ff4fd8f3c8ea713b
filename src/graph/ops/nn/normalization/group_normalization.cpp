#include "graph/ops/nn/normalization/group_normalization.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/normalization/normalize.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec GroupNormalization::spec() const {
  return {.min_inputs = 3, .max_inputs = 3, .summary = "y = (x - mean) / deviation of each group, * scale + bias"};
}

void GroupNormalization::attributes(AttributeVisitor& visitor) {
  visitor.field("epsilon", epsilon);
  visitor.field("num_groups", num_groups);
  visitor.field("stash_type", stash_type);
}

namespace {
template <class Context>
void check_groups(Context& context, int64_t groups, const Dim& channels) {
  if (groups < 1 || (channels.known() && channels.value % groups != 0))
    context.fail(fmt::format("num_groups is {}, which does not divide {} channels", groups, to_string(channels)));
}
}  // namespace

void GroupNormalization::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  check_min_rank(context, x, 2, "[N, C, ...]");
  check_groups(context, num_groups, x.ranked ? x[1] : Dim());
  check_vector(context, 1, "scale", x.ranked ? x[1] : Dim());
  check_vector(context, 2, "bias", x.ranked ? x[1] : Dim());
  context.set_output(0, context.dtype(0), x);
}

void GroupNormalization::evaluate(EvalContext& context) const {
  const Dims& dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  check_min_rank(context, dims, 2, "[N, C, ...]");
  check_groups(context, num_groups, dims[1]);
  check_vector(context, 1, "scale", dims[1]);
  check_vector(context, 2, "bias", dims[1]);
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0), scale = input_as<T>(context, 1), bias = input_as<T>(context, 2);
    int64_t plane = count_between(dims, 2, dims.size()), channels = dims[1] / num_groups;
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      const T* in = pointer<T>(x);
      Moments m;
      for (int64_t i = 0; i < dims[0] * dims[1]; ++i, in += plane, y += plane) {
        if (i % channels == 0) m = moments(in, channels * plane, epsilon);
        auto factor = static_cast<T>(m.inverse_deviation) * pointer<T>(scale)[i % dims[1]];
        T offset = pointer<T>(bias)[i % dims[1]];
        for (int64_t k = 0; k < plane; ++k) y[k] = (in[k] - static_cast<T>(m.mean)) * factor + offset;
      }
    });
  });
}

HONE_DEFINE_OP(GroupNormalization)

}  // namespace hone::ops
