#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// y[i][j] = x[indices[i][j]][j] for axis 0. Inputs: x, indices (same rank).
struct GatherElements : OpOf<GatherElements> {
  int64_t axis = 0;

  const char* type() const override { return "GatherElements"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = 0u | Trait::scale_preserving,
            .summary = "y[i][j] = x[indices[i][j]][j] along axis"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("axis", axis); }

  void infer(InferContext& context) const override {
    const Shape &x = context.shape(0), &indices = context.shape(1);
    check_index_type(context, context.dtype(1), 1);
    if (x.ranked) front_axis(context, axis, x.rank());
    if (x.ranked && indices.ranked && x.rank() != indices.rank())
      context.fail(fmt::format("indices have shape {}, expected rank {}", to_string(indices), x.rank()));
    context.set_output(0, context.dtype(0), indices);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &indices = context.in(1);
    check_index_type(context, indices.dtype(), 1);
    if (x.rank() != indices.rank())
      context.fail(fmt::format("indices have shape {}, expected rank {}", to_string(indices.dims()), x.rank()));
    size_t at = front_axis(context, axis, x.rank());
    for (size_t i = 0; i < x.dims().size(); ++i)
      if (i != at && indices.dims()[i] > x.dims()[i])
        context.fail(fmt::format("indices have shape {}, larger than the input {}", to_string(indices.dims()),
                                 to_string(x.dims())));
    std::vector<int64_t> picks = indices.to_ints();
    Dims strides = row_major_strides(x.dims());
    int64_t step = strides[at], size = x.dims()[at], length = indices.dims().back(), along = strides.back();
    strides[at] = 0;
    if (at + 1 == strides.size()) along = 0;
    move_elements(context, 0, x, indices.dims(), [&](const auto* in, auto* out) {
      for_each_row(indices.dims(), strides, [&](int64_t first, int64_t offset) {
        for (int64_t i = 0; i < length; ++i) {
          int64_t index = front_index(context, picks[static_cast<size_t>(first + i)], size);
          out[first + i] = in[offset + i * along + index * step];
        }
      });
    });
  }
};

HONE_DEFINE_OP(GatherElements)

}  // namespace hone::ops
