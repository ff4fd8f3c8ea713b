#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// A new axis of size `depth`, `on` where its position is the index and `off` elsewhere.
/// Inputs: indices (any number type), depth (scalar), values [off, on].
struct OneHot : OpOf<OneHot> {
  int64_t axis = -1;

  const char* type() const override { return "OneHot"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .summary = "y = off, but on where the position on axis is the index"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("axis", axis); }

  void infer(InferContext& context) const override {
    const Shape& indices = context.shape(0);
    if (!indices.ranked) return context.set_output(0, context.dtype(2), Shape());
    size_t at = front_axis(context, axis, indices.rank() + 1);
    Dim depth;
    if (const Tensor* constant = context.constant(1)) depth = checked_depth(context, *constant);
    else if (auto value = context.dims_value(1); value && value->size() == 1) depth = (*value)[0];
    Shape result = indices;
    result.dims.insert(result.dims.begin() + static_cast<int64_t>(at), depth);
    context.set_output(0, context.dtype(2), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &indices = context.in(0), &values = context.in(2);
    int64_t depth = checked_depth(context, context.in(1));
    size_t at = front_axis(context, axis, indices.rank() + 1);
    if (values.size() != 2) context.fail(fmt::format("values have shape {}, expected [2]", to_string(values.dims())));
    std::vector<int64_t> hot(static_cast<size_t>(indices.size()));
    Tensor wide = indices.cast(DType::i64);
    for (size_t i = 0; i < hot.size(); ++i) {
      int64_t index = wide.data<int64_t>()[i];
      hot[i] = index < 0 ? index + depth : index;  // an index outside the axis lights nothing
    }
    Dims dims = indices.dims();
    dims.insert(dims.begin() + static_cast<int64_t>(at), depth);
    int64_t inner = count_between(indices.dims(), at, indices.dims().size());
    move_elements(context, 0, values, dims, [&](const auto* in, auto* out) {
      std::fill(out, out + element_count(dims), in[0]);
      for (int64_t i = 0; i < indices.size(); ++i) {
        int64_t index = hot[static_cast<size_t>(i)];
        if (index >= 0 && index < depth) out[(i / inner * depth + index) * inner + i % inner] = in[1];
      }
    });
  }

 private:
  template <class Context>
  static int64_t checked_depth(Context& context, const Tensor& depth) {
    int64_t value = depth.size() == 1 ? depth.cast(DType::i64).data<int64_t>()[0] : 0;
    if (value < 1) context.fail("depth is " + std::to_string(value) + ", expected one number above 0");
    return value;
  }
};

HONE_DEFINE_OP(OneHot)

}  // namespace hone::ops
