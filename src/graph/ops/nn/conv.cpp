#include "graph/ops/nn/conv.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec Conv::spec() const { return {.min_inputs = 2, .max_inputs = 3, .summary = "y = conv(x, w) + b"}; }

void Conv::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("dilations", dilations);
  visitor.field("group", group);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
}

void Conv::infer(InferContext& context) const {
  infer_conv(context, window_attributes(*this), group, 0, 1, 2, context.dtype(0));
}

void Conv::evaluate(EvalContext& context) const {
  DType dtype = context.in(0).dtype();
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0), w = input_as<T>(context, 1), b;
    Dims dims;
    ConvGeometry geometry = conv_geometry(context, window_attributes(*this), group, x.dims(), w.dims(), dims);
    if (context.has(2)) {
      check_vector(context, 2, "bias", w.dim(0));
      b = input_as<T>(context, 2);
    }
    check_allocation(context.place(), dtype, dims);
    output_as<T>(context, 0, dtype, dims, [&](T* y) {
      unfolded_conv<T>(geometry, pointer<T>(x), pointer<T>(w), b.defined() ? pointer<T>(b) : nullptr, y);
    });
  });
}

HONE_DEFINE_OP(Conv)

}  // namespace hone::ops
