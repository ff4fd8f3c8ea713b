#include "graph/ops/quant/dequantize_linear.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/quant/axis_parameters.hpp"

namespace hone::ops {

OpSpec DequantizeLinear::spec() const {
  return {.min_inputs = 2, .max_inputs = 3, .traits = 0u | Trait::layout_agnostic,
          .summary = "y = (x - zero_point) * scale"};
}

void DequantizeLinear::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("block_size", block_size);
}

namespace {
template <class T, class Float>
void dequantize(const T* x, const Float* scale, const std::vector<int64_t>& zeros, const AxisParameters& axis,
                int64_t count, Float* y) {
  int64_t run = axis.count == 1 ? count : axis.inner;
  for (int64_t begin = 0, k = 0; begin < count; begin += run, k = (k + 1) % axis.count) {
    int64_t zero = zeros[static_cast<size_t>(k)];
    for (int64_t i = begin; i < begin + run; ++i)
      y[i] = static_cast<Float>(static_cast<int64_t>(x[i]) - zero) * scale[k];
  }
}
}  // namespace

void DequantizeLinear::infer(InferContext& context) const {
  check_axis_parameters(context, axis, block_size);
  if (context.has_input(2) && context.dtype(2) != context.dtype(0))
    context.fail(
        fmt::format("zero point is {}, the input is {}", name_of(context.dtype(2)), name_of(context.dtype(0))));
  context.set_output(0, context.dtype(1), context.shape(0));
}

void DequantizeLinear::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  AxisParameters parameters = axis_parameters(context, axis, block_size);
  std::vector<int64_t> zeros(static_cast<size_t>(parameters.count), 0);
  if (context.has(2)) zeros = context.in(2).to_ints();
  DType dtype = context.in(1).dtype();
  with_float(context, dtype, [&]<class Float>(Float) {
    Tensor scale = input_as<Float>(context, 1);
    output_as<Float>(context, 0, dtype, x.dims(), [&](Float* y) {
      auto run = [&](auto tag) {
        dequantize(static_cast<const decltype(tag)*>(x.raw()), pointer<Float>(scale), zeros, parameters, x.size(), y);
      };
      switch (x.dtype()) {
        case DType::u8: return run(uint8_t{});
        case DType::i8: return run(int8_t{});
        case DType::u16: return run(uint16_t{});
        case DType::i16: return run(int16_t{});
        case DType::i32: return run(int32_t{});
        default: context.fail(fmt::format("input is {}, expected u8, i8, u16, i16 or i32", name_of(x.dtype())));
      }
    });
  });
}

HONE_DEFINE_OP(DequantizeLinear)

}  // namespace hone::ops
