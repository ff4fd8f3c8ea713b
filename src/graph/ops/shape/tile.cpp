#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// y = x repeated along each axis. Inputs: x, repeats (one a dimension).
struct Tile : OpOf<Tile> {
  const char* type() const override { return "Tile"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = 0u | Trait::scale_preserving,
            .summary = "y = x repeated along each axis"};
  }

  template <class Context>
  static void check(Context& context, const std::vector<int64_t>& repeats, size_t rank) {
    if (repeats.size() != rank)
      context.fail(fmt::format("repeats has {} entries, the input has rank {}", repeats.size(), rank));
    for (int64_t repeat : repeats)
      if (repeat < 0) context.fail(fmt::format("repeats {} has a negative entry", to_string(Dims(repeats))));
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    auto repeats = known_ints(context, 1);
    if (!x.ranked || !repeats)
      return context.set_output(0, context.dtype(0), x.ranked ? unknown_sizes(x.rank()) : Shape());
    check(context, *repeats, x.dims.size());
    Shape result = x;
    for (size_t i = 0; i < x.dims.size(); ++i) result[i] = product({x[i], Dim((*repeats)[i])});
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    std::vector<int64_t> repeats = int_list(context, 1);
    check(context, repeats, x.dims().size());
    // As an Expand of [1, d0, 1, d1, ...] to [r0, d0, r1, d1, ...]: the same elements in the same order.
    Dims own = row_major_strides(x.dims()), dims, expanded, strides;
    for (size_t i = 0; i < repeats.size(); ++i) {
      int64_t size = 0;
      if (__builtin_mul_overflow(x.dims()[i], repeats[i], &size))
        context.fail(fmt::format("repeats {} make the output too large", to_string(Dims(repeats))));
      dims.push_back(size);
      expanded.insert(expanded.end(), {repeats[i], x.dims()[i]});
      strides.insert(strides.end(), {0, own[i]});
    }
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) { strided_copy(in, out, expanded, strides); });
  }
};

HONE_DEFINE_OP(Tile)

}  // namespace hone::ops
