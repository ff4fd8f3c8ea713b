#include "graph/ops/fused/packed_matmul.hpp"

namespace hone::ops {

OpSpec PackedMatMul::spec() const {
  return {.min_inputs = 2, .max_inputs = 5, .summary = "y = x * dequantize(w) + bias"};
}

void PackedMatMul::attributes(AttributeVisitor& visitor) {
  visitor.field("transposed", transposed);
  visitor.field("axis", axis);
  visitor.field("block_size", block_size);
}

void PackedMatMul::infer(InferContext& context) const {
  Shape shape = context.shape(0);
  const Shape& w = context.shape(1);
  if (shape.ranked && (shape.rank() < 1 || !w.ranked || w.rank() != 2)) context.fail("expects x [..., K] and w [K, N]");
  if (shape.ranked) shape.dims.back() = w[transposed ? 0 : 1];
  context.set_output(0, DType::f32, shape);
}

void PackedMatMul::evaluate(EvalContext& context) const {
  const auto apply = [&](const char* type, const Attributes& attributes, std::vector<const Tensor*> inputs) {
    auto op = make_op("", type);
    set_attributes(*op, attributes);
    Tensor results[1];
    EvalContext inner(context.place(), inputs, results);
    op->evaluate(inner);
    return results[0];
  };
  Tensor w = apply("DequantizeLinear", {{"axis", axis}, {"block_size", block_size}},
                   {&context.in(1), &context.in(3), context.has(4) ? &context.in(4) : nullptr});
  if (transposed) w = apply("Transpose", {}, {&w});
  Tensor y = apply("MatMul", {}, {&context.in(0), &w});
  if (context.has(2)) y = apply("Add", {}, {&y, &context.in(2)});
  context.set(0, y);
}

HONE_DEFINE_OP(PackedMatMul)

}  // namespace hone::ops
