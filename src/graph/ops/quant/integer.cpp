#include "graph/ops/quant/integer.hpp"

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

Tensor without_zero_point(const EvalContext& context, size_t i, size_t zero, int axis) {
  const Tensor& x = context.in(i);
  if (x.dtype() != DType::u8 && x.dtype() != DType::i8)
    context.fail(fmt::format("input {} is {}, expected u8 or i8", i, name_of(x.dtype())));
  Tensor result(DType::u32, x.dims());
  std::vector<int64_t> zeros{0};
  if (context.has(zero)) {
    if (context.in(zero).dtype() != x.dtype())
      context.fail(fmt::format("zero point is {}, expected {} as input {}", name_of(context.in(zero).dtype()),
                               name_of(x.dtype()), i));
    zeros = context.in(zero).to_ints();
  }
  auto at = static_cast<size_t>(axis < 0 ? axis + x.rank() : axis);
  bool along_axis = at < x.dims().size() && static_cast<int64_t>(zeros.size()) == x.dims()[at];
  if (zeros.size() != 1 && !along_axis)
    context.fail(fmt::format("zero point has {} elements, expected one or one for each position on axis {} of {}",
                             zeros.size(), axis, to_string(x.dims())));
  int64_t inner = zeros.size() == 1 ? 1 : count_between(x.dims(), at + 1, x.dims().size());
  auto count = static_cast<int64_t>(zeros.size());
  uint32_t* out = result.mutable_data<uint32_t>().data();
  auto run = [&](auto tag) {
    const auto* in = static_cast<const decltype(tag)*>(x.raw());
    for (int64_t k = 0; k < x.size(); ++k)
      out[k] = static_cast<uint32_t>(in[k] - static_cast<int32_t>(zeros[static_cast<size_t>(k / inner % count)]));
  };
  if (x.dtype() == DType::u8) run(uint8_t{});
  else run(int8_t{});
  return result;
}

double scalar_input(const EvalContext& context, size_t i, const char* what) {
  const Tensor& tensor = context.in(i);
  if (tensor.size() != 1)
    context.fail(fmt::format("{} has shape {}, expected one number", what, to_string(tensor.dims())));
  return tensor.scalar_as_double();
}

}  // namespace hone::ops
