#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// The last axis of `indices` holds positions in x; y has what is there. Inputs: x, indices.
struct GatherND : OpOf<GatherND> {
  int64_t batch_dims = 0;

  const char* type() const override { return "GatherND"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = 0u | Trait::scale_preserving,
            .summary = "y = the slices of x at the positions in the last axis of indices"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("batch_dims", batch_dims); }

  void infer(InferContext& context) const override {
    const Shape &x = context.shape(0), &indices = context.shape(1);
    check_index_type(context, context.dtype(1), 1);
    if (!x.ranked || !indices.ranked || indices.rank() == 0 || !indices.dims.back().known())
      return context.set_output(0, context.dtype(0), Shape());
    int64_t depth = indices.dims.back().value;
    check(context, x.rank(), indices.rank(), depth);
    std::vector<Dim> dims(indices.dims.begin(), indices.dims.end() - 1);
    dims.insert(dims.end(), x.dims.begin() + batch_dims + depth, x.dims.end());
    context.set_output(0, context.dtype(0), Shape(dims));
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &indices = context.in(1);
    check_index_type(context, indices.dtype(), 1);
    if (indices.rank() == 0) context.fail("indices are a scalar, expected at least one axis");
    int64_t depth = indices.dim(-1);
    check(context, x.rank(), indices.rank(), depth);
    auto batches = static_cast<size_t>(batch_dims), tail = batches + static_cast<size_t>(depth);
    if (!std::equal(x.dims().begin(), x.dims().begin() + batch_dims, indices.dims().begin()))
      context.fail(fmt::format("the first {} sizes of {} and {} differ", batch_dims, to_string(x.dims()),
                               to_string(indices.dims())));
    Dims dims(indices.dims().begin(), indices.dims().end() - 1);
    dims.insert(dims.end(), x.dims().begin() + static_cast<int64_t>(tail), x.dims().end());
    Dims strides = row_major_strides(x.dims());
    std::vector<int64_t> at = indices.to_ints();
    int64_t batch_count = count_between(x.dims(), 0, batches), inner = count_between(x.dims(), tail, x.dims().size());
    int64_t batch_size = count_between(x.dims(), batches, x.dims().size());
    int64_t slices = count_between(indices.dims(), batches, indices.dims().size() - 1);
    const int64_t *sizes = x.dims().data() + batches, *steps = strides.data() + batches;
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
      const int64_t* position = at.data();
      for (int64_t n = 0; n < batch_count; ++n, in += batch_size)
        for (int64_t i = 0; i < slices; ++i, position += depth) {
          const auto* source = in;
          for (int64_t d = 0; d < depth; ++d) source += front_index(context, position[d], sizes[d]) * steps[d];
          if (inner == 1) *out++ = *source;
          else out = std::copy(source, source + inner, out);
        }
    });
  }

 private:
  template <class Context>
  void check(Context& context, int64_t rank, int64_t index_rank, int64_t depth) const {
    if (batch_dims < 0 || batch_dims >= std::min(rank, index_rank))
      context.fail(fmt::format("batch_dims is {}, expected 0 to {}", batch_dims, std::min(rank, index_rank) - 1));
    if (depth < 1 || batch_dims + depth > rank)
      context.fail(
          fmt::format("indices name {} axes after {} batch axes, the input has rank {}", depth, batch_dims, rank));
  }
};

HONE_DEFINE_OP(GatherND)

}  // namespace hone::ops
