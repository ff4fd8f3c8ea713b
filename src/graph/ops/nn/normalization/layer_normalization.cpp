#include "graph/ops/nn/normalization/layer_normalization.hpp"

#include "graph/ops/elementwise.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/normalization/normalize.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec LayerNormalization::spec() const {
  return {.min_inputs = 2, .max_inputs = 3, .min_outputs = 1, .max_outputs = 3,
          .summary = "y = (x - mean) / deviation over the axes from axis on, * scale + bias"};
}

void LayerNormalization::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("epsilon", epsilon);
  visitor.field("stash_type", stash_type);
}

namespace {
template <class Context>
DType statistics_type(Context& context, int64_t stash_type) {
  auto dtype = static_cast<DType>(stash_type);
  if (!is_float(dtype))
    context.fail(fmt::format("stash_type is {}, expected the number of a floating-point type", stash_type));
  return dtype;
}
}  // namespace

void LayerNormalization::infer(InferContext& context) const {
  Shape reduced = context.shape(0);
  if (reduced.ranked)
    for (size_t i = front_axis(context, axis, reduced.rank()); i < reduced.dims.size(); ++i) reduced[i] = 1;
  context.set_output(0, context.dtype(0), context.shape(0));
  DType statistics = statistics_type(context, stash_type);
  context.set_output(1, statistics, reduced);
  context.set_output(2, statistics, reduced);
}

void LayerNormalization::evaluate(EvalContext& context) const {
  const Dims& dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  size_t at = front_axis(context, axis, static_cast<int64_t>(dims.size()));
  Dims tail(dims.begin() + static_cast<int64_t>(at), dims.end()), reduced = dims;
  std::fill(reduced.begin() + static_cast<int64_t>(at), reduced.end(), 1);
  for (size_t i : {size_t{1}, size_t{2}})
    if (context.has(i) && broadcast(context.in(i).dims(), tail) != tail)
      context.fail(fmt::format("{} has shape {}, expected {}", i == 1 ? "scale" : "bias",
                               to_string(context.in(i).dims()), to_string(tail)));
  int64_t rows = count_between(dims, 0, at), length = element_count(tail);
  std::vector<Moments> statistics;
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0), scale = input_as<T>(context, 1);
    Tensor bias = context.has(2) ? input_as<T>(context, 2) : Tensor::zeros(dtype_of<T>(), {1});
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      const T* in = pointer<T>(x);
      for (int64_t i = 0; i < rows; ++i, in += length, y += length) {
        Moments m = moments(in, length, epsilon);
        statistics.push_back(m);
        for_each_broadcast(tail, scale.dims(), bias.dims(), [&](int64_t k, int64_t s, int64_t b) {
          T normal = (in[k] - static_cast<T>(m.mean)) * static_cast<T>(m.inverse_deviation);
          y[k] = normal * pointer<T>(scale)[s] + pointer<T>(bias)[b];
        });
      }
    });
  });
  for (size_t i = 1; i < context.output_count(); ++i) {
    output_as<double>(context, i, statistics_type(context, stash_type), reduced, [&](double* out) {
      for (const Moments& m : statistics) *out++ = i == 1 ? m.mean : m.inverse_deviation;
    });
  }
}

HONE_DEFINE_OP(LayerNormalization)

}  // namespace hone::ops
