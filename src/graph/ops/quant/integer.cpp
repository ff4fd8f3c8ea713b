#include "graph/ops/quant/integer.hpp"

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

Dims parameter_steps(const EvalContext& context, size_t i, const char* what, const Dims& dims, int axis) {
  const Dims& own = context.in(i).dims();
  Dims steps(dims.size(), 0);
  if (context.in(i).size() == 1) return steps;
  size_t at = axis < 0 ? dims.size() - static_cast<size_t>(-axis) : static_cast<size_t>(axis);
  if (own.size() == 1 && at < dims.size() && own[0] == dims[at]) {
    steps[at] = 1;
    return steps;
  }
  bool fits = own.size() > 1 && own.size() <= dims.size();
  Dims strides = row_major_strides(own);
  for (size_t k = 0; fits && k < own.size(); ++k) {
    size_t target = dims.size() - own.size() + k;
    fits = own[k] == 1 || own[k] == dims[target];
    if (own[k] != 1) steps[target] = strides[k];
  }
  if (!fits)
    context.fail(fmt::format(
        "{} has shape {}, expected one number, one for each position on axis {} of {}, or what broadcasts to that",
        what, to_string(own), axis, to_string(dims)));
  return steps;
}

std::vector<double> parameter_values(const EvalContext& context, size_t i, const char* what, const Dims& dims,
                                     int axis) {
  Dims steps = parameter_steps(context, i, what, dims, axis);
  Tensor numbers = context.in(i).cast(DType::f64);
  std::vector<double> result(static_cast<size_t>(element_count(dims)));
  if (!result.empty()) strided_copy(numbers.data<double>().data(), result.data(), dims, steps);
  return result;
}

Tensor without_zero_point(const EvalContext& context, size_t i, size_t zero, int axis) {
  const Tensor& x = context.in(i);
  if (x.dtype() != DType::u8 && x.dtype() != DType::i8)
    context.fail(fmt::format("input {} is {}, expected u8 or i8", i, name_of(x.dtype())));
  Tensor result = x.cast(DType::i32);
  auto numbers = result.mutable_data<int32_t>();
  if (context.has(zero)) {
    if (context.in(zero).dtype() != x.dtype())
      context.fail(fmt::format("zero point is {}, expected {} as input {}", name_of(context.in(zero).dtype()),
                               name_of(x.dtype()), i));
    Dims steps = parameter_steps(context, zero, "zero point", x.dims(), axis);
    std::vector<int64_t> zeros = context.in(zero).to_ints();
    int64_t length = x.dims().empty() ? 1 : x.dims().back(), step = steps.empty() ? 0 : steps.back();
    for_each_row(x.dims(), steps, [&](int64_t first, int64_t offset) {
      for (int64_t k = 0; k < length; ++k)
        numbers[static_cast<size_t>(first + k)] -= static_cast<int32_t>(zeros[static_cast<size_t>(offset + k * step)]);
    });
  }
  return Tensor(DType::u32, x.dims(), result.raw(), result.bytes(), result.owner());
}

double scalar_input(const EvalContext& context, size_t i, const char* what) {
  const Tensor& tensor = context.in(i);
  if (tensor.size() != 1)
    context.fail(fmt::format("{} has shape {}, expected one number", what, to_string(tensor.dims())));
  return tensor.scalar_as_double();
}

}  // namespace hone::ops
