#include "graph/ops/nn/normalization/lrn.hpp"

#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec LRN::spec() const {
  return {.summary = "y = x / (bias + alpha / size * sum of x^2 over size channels) ^ beta"};
}

void LRN::attributes(AttributeVisitor& visitor) {
  visitor.field("alpha", alpha);
  visitor.field("beta", beta);
  visitor.field("bias", bias);
  visitor.field("size", size);
}

namespace {
template <class Context>
void check_size(Context& context, int64_t size) {
  if (size < 1) context.fail(fmt::format("size is {}, expected at least 1", size));
}
}  // namespace

void LRN::infer(InferContext& context) const {
  check_size(context, size);
  check_min_rank(context, context.shape(0), 2, "[N, C, ...]");
  context.set_output(0, context.dtype(0), context.shape(0));
}

void LRN::evaluate(EvalContext& context) const {
  check_size(context, size);
  const Dims& dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  check_min_rank(context, dims, 2, "[N, C, ...]");
  int64_t channels = dims[1], plane = count_between(dims, 2, dims.size());
  int64_t before = std::min((size - 1) / 2, channels), after = std::min(size - 1 - (size - 1) / 2, channels);
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0);
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      std::vector<T> squares(static_cast<size_t>(plane));
      for (int64_t n = 0; n < dims[0]; ++n)
        for (int64_t c = 0; c < channels; ++c, y += plane) {
          const T* sample = pointer<T>(x) + n * channels * plane;
          std::fill(squares.begin(), squares.end(), T(0));
          for (int64_t k = std::max<int64_t>(0, c - before); k <= std::min(channels - 1, c + after); ++k)
            for (int64_t i = 0; i < plane; ++i)
              squares[static_cast<size_t>(i)] += sample[k * plane + i] * sample[k * plane + i];
          T factor = static_cast<T>(alpha) / static_cast<T>(size);
          for (int64_t i = 0; i < plane; ++i) {
            T base = static_cast<T>(bias) + factor * squares[static_cast<size_t>(i)];
            y[i] = sample[c * plane + i] / std::pow(base, static_cast<T>(beta));
          }
        }
    });
  });
}

HONE_DEFINE_OP(LRN)

}  // namespace hone::ops
