#include "graph/ops/quant/quantize_linear.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/quant/axis_parameters.hpp"
#include "graph/ops/quant/integer.hpp"

namespace hone::ops {

OpSpec QuantizeLinear::spec() const {
  return {.min_inputs = 2, .max_inputs = 3, .traits = block_size ? 0u : 0u | Trait::layout_agnostic,
          .summary = "y = saturate(round(x / scale) + zero_point)"};
}

void QuantizeLinear::attributes(AttributeVisitor& visitor) {
  visitor.field("axis", axis);
  visitor.field("block_size", block_size);
  visitor.field("output_dtype", output_dtype);
  visitor.field("precision", precision);
  visitor.field("saturate", saturate);
}

namespace {
template <class Context>
DType result_type(Context& context, const QuantizeLinear& op, DType zero_point) {
  if (zero_point == DType::undefined) return op.output_dtype == DType::undefined ? DType::u8 : op.output_dtype;
  if (op.output_dtype != DType::undefined && op.output_dtype != zero_point)
    context.fail(
        fmt::format("output_dtype is {}, the zero point is {}", name_of(op.output_dtype), name_of(zero_point)));
  return zero_point;
}

/// `Stored` is the type that the quotient is rounded to before it is rounded to a whole number.
template <class Stored, class T, class Float>
void quantize(const Float* x, const Float* scale, const std::vector<int64_t>& zeros, const AxisParameters& axis,
              int64_t count, T* y) {
  for_each_scale(axis, count, [&](int64_t first, int64_t length, int64_t k, int64_t step) {
    for (int64_t i = 0; i < length; ++i, k += step) {
      auto quotient = static_cast<Float>(Stored(x[first + i] / scale[k]));
      y[first + i] = quantized<T>(quotient, zeros[static_cast<size_t>(k)]);
    }
  });
}
}  // namespace

void QuantizeLinear::infer(InferContext& context) const {
  check_axis_parameters(context, axis, block_size);
  DType zero_point = context.has_input(2) ? context.dtype(2) : DType::undefined;
  context.set_output(0, result_type(context, *this, zero_point), context.shape(0));
}

void QuantizeLinear::evaluate(EvalContext& context) const {
  AxisParameters parameters = axis_parameters(context, axis, block_size);
  std::vector<int64_t> zeros(static_cast<size_t>(parameters.count), 0);
  if (context.has(2)) zeros = context.in(2).to_ints();
  DType dtype = result_type(context, *this, context.has(2) ? context.in(2).dtype() : DType::undefined);
  DType division = precision == DType::undefined ? context.in(1).dtype() : precision;
  with_quantized(context, dtype, [&]<class T>(T) {
    with_float(context, division, [&]<class Float>(Float) {
      Tensor x = context.in(0).cast(division).cast(dtype_of<Float>());
      Tensor scale = context.in(1).cast(division).cast(dtype_of<Float>());
      T* y = context.out(0, dtype, x.dims()).template mutable_data<T>().data();
      auto run = [&]<class Stored>(Stored) {
        quantize<Stored>(pointer<Float>(x), pointer<Float>(scale), zeros, parameters, x.size(), y);
      };
      if (division == DType::f16) run(Half{});
      else if (division == DType::bf16) run(BFloat16{});
      else run(Float{});
    });
  });
}

HONE_DEFINE_OP(QuantizeLinear)

}  // namespace hone::ops
