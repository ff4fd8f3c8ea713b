#include <cmath>
#include <optional>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// Attention without softmax, as a recurrence over a state S [size, value size] of each head: S = exp(decay) S, then
/// S += k (beta (v - S' (erase k)))' with the delta rules or S += k v' without, and y = scale S' q.
/// Inputs: q [batch, steps, q heads * size], k [batch, steps, kv heads * size], v [batch, steps, kv heads * value
/// size], past_state [batch, kv heads, size, value size] (optional: zeros), decay [batch, steps, kv heads] or [..., kv
/// heads * size] (the gated rules), beta [batch, steps, kv heads] or [..., 1] and erase_gate as k (optional; the delta
/// rules). Outputs: y [batch, steps, q heads * value size], the state after the last step.
struct LinearAttention : OpOf<LinearAttention> {
  int64_t chunk_size = 64;  ///< a hint of how to compute; the result is the same
  int64_t kv_num_heads = 0, q_num_heads = 0;
  float scale = 0;                          ///< 0: 1 / sqrt(size)
  std::string update_rule = "gated_delta";  ///< linear, gated, delta or gated_delta

  const char* type() const override { return "LinearAttention"; }
  OpSpec spec() const override {
    return {.min_inputs = 3,
            .max_inputs = 7,
            .min_outputs = 1,
            .max_outputs = 2,
            .summary = "y = scale S' q with S = exp(decay) S + k (beta (v - S' k))'"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("chunk_size", chunk_size);
    visitor.field("kv_num_heads", kv_num_heads);
    visitor.field("q_num_heads", q_num_heads);
    visitor.field("scale", scale);
    visitor.field("update_rule", update_rule);
  }

  void infer(InferContext& context) const override {
    Sizes sizes = check(context, [&](size_t i) -> std::optional<Shape> {
      return context.has_input(i) ? std::optional(context.shape(i)) : std::nullopt;
    });
    context.set_output(0, context.dtype(0), Shape{sizes.batch, sizes.steps, times(sizes.value, q_num_heads)});
    context.set_output(1, context.has_input(3) ? context.dtype(3) : context.dtype(0),
                       Shape{sizes.batch, kv_num_heads, sizes.key, sizes.value});
  }

  void evaluate(EvalContext& context) const override {
    Sizes sizes = check(context, [&](size_t i) -> std::optional<Shape> {
      return context.has(i) ? std::optional(Shape(context.in(i).dims())) : std::nullopt;
    });
    with_float(context, context.in(0).dtype(), [&]<class T>(T) { run<T>(context, sizes); });
  }

 private:
  struct Sizes {
    Dim batch, steps, key, value;  ///< key and value: numbers of one head
  };
  static Dim times(const Dim& size, int64_t count) { return size.known() ? Dim(size.value * count) : Dim(); }
  bool gated() const { return update_rule == "gated" || update_rule == "gated_delta"; }
  bool delta() const { return update_rule == "delta" || update_rule == "gated_delta"; }

  template <class Context>
  void check_attributes(Context& context) const {
    if (!gated() && !delta() && update_rule != "linear")
      context.fail("update_rule is '" + update_rule + "', expected linear, gated, delta or gated_delta");
    if (kv_num_heads < 1 || q_num_heads < 1 || q_num_heads % kv_num_heads != 0)
      context.fail(fmt::format("{} heads of q cannot share {} heads of k", q_num_heads, kv_num_heads));
  }

  /// The numbers of one head of an input [batch, steps, heads * numbers].
  template <class Context>
  static Dim per_head(Context& context, const std::optional<Shape>& x, int64_t heads, const char* what) {
    if (!x || !x->ranked) return {};
    if (x->rank() != 3)
      context.fail(fmt::format("{} has shape {}, expected [batch, steps, hidden]", what, to_string(*x)));
    if (!(*x)[2].known()) return {};
    if ((*x)[2].value % heads != 0)
      context.fail(fmt::format("{} heads do not divide the hidden size {} of {}", heads, (*x)[2].value, what));
    return (*x)[2].value / heads;
  }

  template <class Context, class ShapeOf>
  Sizes check(Context& context, ShapeOf shape_of) const {
    check_attributes(context);
    Sizes sizes;
    sizes.key = per_head(context, shape_of(0), q_num_heads, "q");
    sizes.value = per_head(context, shape_of(2), kv_num_heads, "v");
    if (shape_of(0)->ranked) sizes.batch = (*shape_of(0))[0], sizes.steps = (*shape_of(0))[1];
    auto expect = [&](size_t i, const char* what, bool wanted, std::vector<Shape> forms) {
      std::optional<Shape> own = shape_of(i);
      if (own.has_value() != wanted)
        context.fail(fmt::format("{} is {} with update_rule {}", what, wanted ? "missing" : "not used", update_rule));
      if (!own || !own->ranked) return;
      for (const Shape& form : forms)
        if (own->rank() == form.rank() && fits(*own, form)) return;
      context.fail(fmt::format("{} has shape {}, expected {}", what, to_string(*own), to_string(forms[0])));
    };
    const Dim &n = sizes.batch, &t = sizes.steps, keys = times(sizes.key, kv_num_heads);
    expect(1, "k", true, {{n, t, keys}});
    expect(2, "v", true, {{n, t, times(sizes.value, kv_num_heads)}});
    expect(3, "past_state", shape_of(3).has_value(), {{n, kv_num_heads, sizes.key, sizes.value}});
    expect(4, "decay", gated(), {{n, t, kv_num_heads}, {n, t, keys}});
    expect(5, "beta", delta(), {{n, t, kv_num_heads}, {n, t, 1}});
    expect(6, "erase_gate", delta() && shape_of(6).has_value(), {{n, t, keys}});
    return sizes;
  }
  static bool fits(const Shape& own, const Shape& form) {
    for (size_t i = 0; i < form.dims.size(); ++i)
      if (own[i].known() && form[i].known() && own[i] != form[i]) return false;
    return true;
  }

  /// The inputs in the type of computation; each step of an input has `width` numbers.
  template <class T>
  struct Data {
    Tensor q, k, v, decay, beta, erase;
    static const T* step(const Tensor& x, int64_t row) {
      return x.defined() ? pointer<T>(x) + row * x.dim(2) : nullptr;
    }
  };

  template <class T>
  void run(EvalContext& context, const Sizes& sizes) const {
    Data<T> data{input_as<T>(context, 0), input_as<T>(context, 1), input_as<T>(context, 2), {}, {}, {}};
    if (context.has(4)) data.decay = input_as<T>(context, 4);
    if (context.has(5)) data.beta = input_as<T>(context, 5);
    if (context.has(6)) data.erase = input_as<T>(context, 6);
    int64_t batch = sizes.batch.value, steps = sizes.steps.value, width = sizes.value.value;
    Dims state_dims{batch, kv_num_heads, sizes.key.value, width};
    check_allocation(context.place(), DType::f64, state_dims);
    Tensor state = context.has(3) ? input_as<T>(context, 3).clone() : Tensor::zeros(dtype_of<T>(), state_dims);
    DType dtype = context.in(0).dtype(), state_dtype = context.has(3) ? context.in(3).dtype() : dtype;
    T* s = state.mutable_data<T>().data();
    output_as<T>(context, 0, dtype, {batch, steps, q_num_heads * width}, [&](T* y) {
      std::vector<T> change(static_cast<size_t>(width));
      for (int64_t row = 0; row < batch * steps; ++row, y += q_num_heads * width)
        for (int64_t h = 0; h < kv_num_heads; ++h)
          step(data, row, h, sizes, s + (row / steps * kv_num_heads + h) * sizes.key.value * width, change.data(), y);
    });
    if (context.output_count() > 1) context.set(1, state.cast(state_dtype));
  }

  /// One step of one head of k and v; `row` counts the steps of the whole batch.
  template <class T>
  void step(const Data<T>& data, int64_t row, int64_t h, const Sizes& sizes, T* state, T* change, T* y) const {
    int64_t size = sizes.key.value, width = sizes.value.value, group = q_num_heads / kv_num_heads;
    const T *k = Data<T>::step(data.k, row) + h * size, *v = Data<T>::step(data.v, row) + h * width;
    if (const T* decay = Data<T>::step(data.decay, row)) {
      bool one = data.decay.dim(2) == kv_num_heads;
      for (int64_t d = 0; d < size; ++d) {
        T factor = std::exp(decay[one ? h : h * size + d]);
        for (int64_t m = 0; m < width; ++m) state[d * width + m] *= factor;
      }
    }
    std::copy(v, v + width, change);
    if (const T* beta = Data<T>::step(data.beta, row)) {
      const T* erase = Data<T>::step(data.erase, row);
      for (int64_t d = 0; d < size; ++d) {
        T key = erase ? erase[h * size + d] * k[d] : k[d];
        for (int64_t m = 0; m < width; ++m) change[m] -= key * state[d * width + m];
      }
      T strength = beta[data.beta.dim(2) == 1 ? 0 : h];
      for (int64_t m = 0; m < width; ++m) change[m] *= strength;
    }
    for (int64_t d = 0; d < size; ++d)
      for (int64_t m = 0; m < width; ++m) state[d * width + m] += k[d] * change[m];
    T factor = scale == 0 ? static_cast<T>(1 / std::sqrt(static_cast<double>(size))) : static_cast<T>(scale);
    for (int64_t g = h * group; g < (h + 1) * group; ++g) {
      const T* q = Data<T>::step(data.q, row) + g * size;
      std::fill(y + g * width, y + (g + 1) * width, T(0));
      for (int64_t d = 0; d < size; ++d)
        for (int64_t m = 0; m < width; ++m) y[g * width + m] += factor * q[d] * state[d * width + m];
    }
  }
};

HONE_DEFINE_OP(LinearAttention)

}  // namespace hone::ops
