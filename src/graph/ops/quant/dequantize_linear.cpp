#include "graph/ops/quant/dequantize_linear.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/quant/axis_parameters.hpp"
#include "tensor/int4.hpp"

namespace hone::ops {

OpSpec DequantizeLinear::spec() const {
  return {.min_inputs = 2, .max_inputs = 3, .traits = block_size ? 0u : 0u | Trait::layout_agnostic,
          .summary = "y = (x - zero_point) * scale"};
}

void DequantizeLinear::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("block_size", block_size);
  visitor.field("output_dtype", output_dtype);
}

namespace {
template <class T, class Float>
void dequantize(const T* x, const Float* scale, const std::vector<int64_t>& zeros, const AxisParameters& axis,
                int64_t count, Float* y) {
  for_each_scale(axis, count, [&](int64_t first, int64_t length, int64_t k, int64_t step) {
    for (int64_t i = first; i < first + length; ++i, k += step)
      y[i] = static_cast<Float>(static_cast<int64_t>(x[i]) - zeros[static_cast<size_t>(k)]) * scale[k];
  });
}
}  // namespace

void DequantizeLinear::infer(InferContext& context) const {
  check_axis_parameters(context, axis, block_size);
  if (context.has_input(2) && context.dtype(2) != context.dtype(0))
    context.fail(
        fmt::format("zero point is {}, the input is {}", name_of(context.dtype(2)), name_of(context.dtype(0))));
  if (output_dtype != DType::undefined && !is_float(output_dtype))
    context.fail(fmt::format("output_dtype is {}, expected a floating-point type", name_of(output_dtype)));
  context.set_output(0, output_dtype == DType::undefined ? context.dtype(1) : output_dtype, context.shape(0));
}

void DequantizeLinear::evaluate(EvalContext& context) const {
  const Tensor x = as_bytes(context.in(0));
  AxisParameters parameters = axis_parameters(context, axis, block_size);
  std::vector<int64_t> zeros(static_cast<size_t>(parameters.count), 0);
  if (context.has(2)) zeros = context.in(2).to_ints();
  DType dtype = output_dtype == DType::undefined ? context.in(1).dtype() : output_dtype;
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
        default: context.fail(fmt::format("input is {}, expected u8, i8, u16, i16, i32, u4 or i4", name_of(x.dtype())));
      }
    });
  });
}

HONE_DEFINE_OP(DequantizeLinear)

}  // namespace hone::ops
