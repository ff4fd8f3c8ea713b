#include "graph/ops/nn/normalization/batch_normalization.hpp"

#include <array>
#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec BatchNormalization::spec() const {
  return {.min_inputs = 5,
          .max_inputs = 5,
          .max_outputs = 3,
          .summary = "y = (x - mean) / sqrt(var + epsilon) * scale + bias by channel"};
}

void BatchNormalization::attributes(AttributeVisitor& visitor) {
  visitor.field("epsilon", epsilon);
  visitor.field("momentum", momentum);
  visitor.field("training_mode", training_mode);
}

namespace {
/// An input of rank 1 is a batch with one channel.
constexpr const char* form = "[N, C, ...] or [N]";
constexpr const char* names[] = {"input", "scale", "bias", "mean", "variance"};

template <class Context>
void check_outputs(Context& context, int64_t training_mode) {
  size_t expected = training_mode ? 3 : 1;
  if (context.output_count() != expected)
    context.fail(fmt::format("has {} outputs with training_mode {}, expected {}", context.output_count(), training_mode,
                             expected));
}

/// Mean and variance of each channel of x [outer, channels, plane].
template <class T>
std::array<Tensor, 2> own_statistics(const T* x, int64_t outer, int64_t channels, int64_t plane) {
  std::array<Tensor, 2> result{Tensor(dtype_of<T>(), {channels}), Tensor(dtype_of<T>(), {channels})};
  auto count = static_cast<double>(outer * plane);
  for (int64_t c = 0; c < channels; ++c) {
    auto sum = [&](auto f) {
      double total = 0;
      for (int64_t n = 0; n < outer; ++n)
        for (int64_t k = 0; k < plane; ++k) total += f(static_cast<double>(x[(n * channels + c) * plane + k]));
      return total;
    };
    double mean = sum([](double v) { return v; }) / count;
    double variance = sum([&](double v) { return (v - mean) * (v - mean); }) / count;
    result[0].template mutable_data<T>()[static_cast<size_t>(c)] = static_cast<T>(mean);
    result[1].template mutable_data<T>()[static_cast<size_t>(c)] = static_cast<T>(variance);
  }
  return result;
}
}  // namespace

void BatchNormalization::infer(InferContext& context) const {
  check_outputs(context, training_mode);
  const Shape& x = context.shape(0);
  check_min_rank(context, x, 1, form);
  Dim channels = !x.ranked ? Dim() : x.rank() == 1 ? Dim(1) : x[1];
  for (size_t i = 1; i < 5; ++i) check_vector(context, i, names[i], channels);
  context.set_output(0, context.dtype(0), x);
  for (size_t i = 1; i < 3; ++i) context.set_output(i, context.dtype(i + 2), context.shape(i + 2));
}

void BatchNormalization::evaluate(EvalContext& context) const {
  check_outputs(context, training_mode);
  const Dims& dims = context.in(0).dims();
  DType dtype = context.in(0).dtype();
  check_min_rank(context, dims, 1, form);
  int64_t channels = dims.size() == 1 ? 1 : dims[1];
  for (size_t i = 1; i < 5; ++i) check_vector(context, i, names[i], channels);
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0);
    std::array<Tensor, 5> values;
    for (size_t i = 1; i < 5; ++i) values[i] = input_as<T>(context, i);
    int64_t plane = dims.size() == 1 ? 1 : count_between(dims, 2, dims.size());
    if (training_mode) {
      std::array<Tensor, 2> own = own_statistics(pointer<T>(x), dims[0], channels, plane);
      for (size_t i = 0; i < 2; ++i) {
        output_as<T>(context, i + 1, context.in(i + 3).dtype(), {channels}, [&](T* running) {
          for (int64_t c = 0; c < channels; ++c)
            running[c] = pointer<T>(values[i + 3])[c] * static_cast<T>(momentum) +
                         pointer<T>(own[i])[c] * (1 - static_cast<T>(momentum));
        });
        values[i + 3] = own[i];
      }
    }
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      const T* in = pointer<T>(x);
      for (int64_t i = 0; i < dims[0] * channels; ++i, in += plane, y += plane) {
        int64_t c = i % channels;
        T factor = pointer<T>(values[1])[c] / std::sqrt(pointer<T>(values[4])[c] + static_cast<T>(epsilon));
        T mean = pointer<T>(values[3])[c], bias = pointer<T>(values[2])[c];
        for (int64_t k = 0; k < plane; ++k) y[k] = (in[k] - mean) * factor + bias;
      }
    });
  });
}

HONE_DEFINE_OP(BatchNormalization)

}  // namespace hone::ops
