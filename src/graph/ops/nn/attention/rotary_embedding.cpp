#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// Rotates pairs of numbers of each head by angles that depend on the position. Inputs: x [batch, heads, steps, size]
/// or [batch, steps, heads * size], cos and sin [positions, dim / 2] with position_ids [batch, steps], or
/// [batch, steps, dim / 2] without.
struct RotaryEmbedding : OpOf<RotaryEmbedding> {
  int64_t interleaved = 0;           ///< 1: the pairs are neighbors; 0: one of each half
  int64_t num_heads = 0;             ///< of a rank-3 x
  int64_t rotary_embedding_dim = 0;  ///< how many numbers of a head rotate; 0: all

  const char* type() const override { return "RotaryEmbedding"; }
  OpSpec spec() const override {
    return {
        .min_inputs = 3, .max_inputs = 4, .summary = "y = x with pairs (a, b) turned by the angle of their position"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("interleaved", interleaved);
    visitor.field("num_heads", num_heads);
    visitor.field("rotary_embedding_dim", rotary_embedding_dim);
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    if (x.ranked && x.rank() != 3 && x.rank() != 4)
      context.fail("input has shape " + to_string(x) +
                   ", expected [batch, heads, steps, size] or [batch, steps, hidden]");
    if (x.ranked && x.rank() == 3 && num_heads < 1) context.fail("num_heads is missing for an input of rank 3");
    context.set_output(0, context.dtype(0), x);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& in = context.in(0);
    Layout layout = layout_of(context, in.dims());
    check_caches(context, layout);
    with_float(context, in.dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0), cos = input_as<T>(context, 1), sin = input_as<T>(context, 2);
      std::vector<int64_t> rows = cache_rows(context, layout);
      output_as<T>(context, 0, in.dtype(), in.dims(), [&](T* y) {
        std::copy(pointer<T>(x), pointer<T>(x) + in.size(), y);
        for (int64_t n = 0; n < layout.batch; ++n)
          for (int64_t t = 0; t < layout.steps; ++t)
            for (int64_t h = 0; h < layout.heads; ++h) {
              int64_t row = rows[static_cast<size_t>(n * layout.steps + t)] * (layout.rotary / 2);
              turn(layout, pointer<T>(cos) + row, pointer<T>(sin) + row, y + layout.at(n, t, h));
            }
      });
    });
  }

 private:
  struct Layout {
    int64_t batch, heads, steps, size, rotary;
    bool heads_first;
    int64_t at(int64_t n, int64_t t, int64_t h) const {
      return (heads_first ? (n * heads + h) * steps + t : (n * steps + t) * heads + h) * size;
    }
  };

  Layout layout_of(const EvalContext& context, const Dims& x) const {
    if (x.size() != 3 && x.size() != 4)
      context.fail("input has shape " + to_string(x) +
                   ", expected [batch, heads, steps, size] or [batch, steps, hidden]");
    Layout layout{};
    layout.batch = x[0];
    layout.heads_first = x.size() == 4;
    layout.heads = layout.heads_first ? x[1] : num_heads;
    layout.steps = layout.heads_first ? x[2] : x[1];
    if (!layout.heads_first && (num_heads < 1 || x[2] % num_heads != 0))
      context.fail(fmt::format("num_heads is {}, which does not divide the hidden size {}", num_heads, x[2]));
    layout.size = layout.heads_first ? x[3] : x[2] / num_heads;
    layout.rotary = rotary_embedding_dim > 0 ? rotary_embedding_dim : layout.size;
    if (layout.rotary > layout.size || layout.rotary % 2 != 0)
      context.fail(fmt::format("rotates {} numbers of heads of {}, expected an even number of at most that",
                               layout.rotary, layout.size));
    return layout;
  }

  static void check_caches(const EvalContext& context, const Layout& layout) {
    bool by_position = context.has(3);
    const Dims &cos = context.in(1).dims(), &sin = context.in(2).dims();
    bool fits = cos == sin && cos.size() == (by_position ? 2 : 3) && cos.back() == layout.rotary / 2;
    if (fits && !by_position) fits = cos[0] == layout.batch && cos[1] == layout.steps;
    if (!fits)
      context.fail(fmt::format("cos {} and sin {} do not fit, expected {} twice", to_string(cos), to_string(sin),
                               by_position ? fmt::format("[positions, {}]", layout.rotary / 2)
                                           : to_string(Dims{layout.batch, layout.steps, layout.rotary / 2})));
    if (by_position && context.in(3).dims() != Dims{layout.batch, layout.steps})
      context.fail(fmt::format("position_ids have shape {}, expected [{}, {}]", to_string(context.in(3).dims()),
                               layout.batch, layout.steps));
  }

  /// Which row of the caches each step of each sample takes.
  static std::vector<int64_t> cache_rows(const EvalContext& context, const Layout& layout) {
    std::vector<int64_t> rows;
    if (context.has(3)) {
      rows = context.in(3).to_ints();
      for (int64_t row : rows)
        if (row < 0 || row >= context.in(1).dim(0))
          context.fail(fmt::format("position {} is outside the {} of the caches", row, context.in(1).dim(0)));
      return rows;
    }
    for (int64_t i = 0; i < layout.batch * layout.steps; ++i) rows.push_back(i);
    return rows;
  }

  template <class T>
  void turn(const Layout& layout, const T* cos, const T* sin, T* head) const {
    int64_t half = layout.rotary / 2;
    for (int64_t i = 0; i < half; ++i) {
      T &a = head[interleaved ? 2 * i : i], &b = head[interleaved ? 2 * i + 1 : i + half];
      T real = cos[i] * a - sin[i] * b, imaginary = sin[i] * a + cos[i] * b;
      a = real;
      b = imaginary;
    }
  }
};

HONE_DEFINE_OP(RotaryEmbedding)

}  // namespace hone::ops
