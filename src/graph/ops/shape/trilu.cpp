#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// The upper or lower triangle of the last two axes, zero elsewhere. Inputs: x, k (optional: which diagonal).
struct Trilu : OpOf<Trilu> {
  int64_t upper = 1;

  const char* type() const override { return "Trilu"; }
  OpSpec spec() const override {
    return {.min_inputs = 1, .max_inputs = 2, .summary = "y = x above (below) diagonal k, 0 elsewhere"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("upper", upper); }
  void infer(InferContext& context) const override {
    if (context.shape(0).ranked && context.shape(0).rank() < 2)
      context.fail("input has shape " + to_string(context.shape(0)) + ", expected at least two axes");
    context.set_output(0, context.dtype(0), context.shape(0));
  }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    if (x.rank() < 2) context.fail("input has shape " + to_string(x.dims()) + ", expected at least two axes");
    std::vector<int64_t> given = int_list(context, 1, {0});
    if (given.size() != 1) context.fail("k has " + std::to_string(given.size()) + " elements, expected one");
    int64_t rows = x.dim(-2), columns = x.dim(-1), k = std::clamp(given[0], -rows - 1, columns + 1);
    move_elements(context, 0, x, x.dims(), [&]<class T>(const T* in, T* out) {
      for (int64_t i = 0; i < (columns > 0 ? x.size() / columns : 0); ++i, in += columns, out += columns) {
        // Columns [0, edge) of this row are below the diagonal, the others on or above it.
        int64_t edge = std::clamp(i % rows + k + (upper ? 0 : 1), int64_t{0}, columns);
        std::copy(in, in + columns, out);
        if (upper) std::fill(out, out + edge, T{});
        else std::fill(out + edge, out + columns, T{});
      }
    });
  }
};

HONE_DEFINE_OP(Trilu)

}  // namespace hone::ops
