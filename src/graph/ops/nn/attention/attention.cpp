#include "graph/ops/nn/attention/attention.hpp"

#include <cmath>
#include <limits>

#include "graph/ops/broadcast.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/multiply.hpp"
#include "graph/ops/shape/move.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

OpSpec Attention::spec() const {
  return {.min_inputs = 3,
          .max_inputs = 7,
          .min_outputs = 1,
          .max_outputs = 4,
          .summary = "y = softmax(mask + softcap(scale q k')) v"};
}

void Attention::attributes(AttributeVisitor& visitor) {
  visitor.field("is_causal", is_causal);
  visitor.field("kv_num_heads", kv_num_heads);
  visitor.field("left_window_size", left_window_size);
  visitor.field("q_num_heads", q_num_heads);
  visitor.field("qk_matmul_output_mode", qk_matmul_output_mode);
  visitor.field("right_window_size", right_window_size);
  visitor.field("scale", scale);
  visitor.field("softcap", softcap);
  visitor.field("softmax_precision", softmax_precision);
}

namespace {

template <class Context>
void check_fields(Context& context, const Attention& op) {
  if (op.qk_matmul_output_mode < 0 || op.qk_matmul_output_mode > 3)
    context.fail(fmt::format("qk_matmul_output_mode is {}, expected 0 to 3", op.qk_matmul_output_mode));
  if (op.left_window_size < -1 || op.right_window_size < -1)
    context.fail(fmt::format("the window is {} to the left and {} to the right, expected -1 (all keys) or more",
                             op.left_window_size, op.right_window_size));
  if (op.softcap < 0) context.fail(fmt::format("softcap is {}, expected at least 0", op.softcap));
  if (op.softmax_precision && !is_float(static_cast<DType>(*op.softmax_precision)))
    context.fail(
        fmt::format("softmax_precision is {}, expected the number of a floating-point type", *op.softmax_precision));
}

/// A shape with heads as an axis of their own: [batch, heads, steps, size].
template <class Context>
Shape with_heads(Context& context, const Shape& x, const std::optional<int64_t>& heads, const char* what) {
  if (!x.ranked) return unknown_sizes(4);
  if (x.rank() == 4) return x;
  if (x.rank() != 3)
    context.fail(fmt::format("{} has shape {}, expected [batch, heads, steps, size] or [batch, steps, hidden]", what,
                             to_string(x)));
  if (!heads || *heads < 1)
    context.fail(fmt::format("{} has shape {} but its number of heads is missing", what, to_string(x)),
                 "set q_num_heads and kv_num_heads");
  if (x[2].known() && x[2].value % *heads != 0)
    context.fail(fmt::format("{} heads do not divide the hidden size {} of {}", *heads, x[2].value, what));
  return {x[0], *heads, x[1], x[2].known() ? Dim(x[2].value / *heads) : Dim()};
}

struct Shapes {
  Shape q, k, v;      ///< with heads; k and v with their past
  bool flat = false;  ///< y is [batch, steps, heads * size]
};

/// The steps of k and v with those of the past.
template <class Context>
Dim total_steps(Context& context, const std::optional<Shape>& past, const Shape& now, const char* what) {
  if (!past) return now[2];
  if (past->ranked && past->rank() != 4)
    context.fail(fmt::format("{} has shape {}, expected [batch, heads, steps, size]", what, to_string(*past)));
  if (!past->ranked) return {};
  for (size_t i : {size_t{0}, size_t{1}, size_t{3}})
    if ((*past)[i].known() && now[i].known() && (*past)[i] != now[i])
      context.fail(fmt::format("{} has shape {}, the new part {}", what, to_string(*past), to_string(now)));
  return sum((*past)[2], now[2]);
}

template <class Context, class ShapeOf>
Shapes shapes_of(Context& context, const Attention& op, ShapeOf shape_of) {
  check_fields(context, op);
  Shapes shapes;
  shapes.flat = shape_of(0)->ranked && shape_of(0)->rank() == 3;
  shapes.q = with_heads(context, *shape_of(0), op.q_num_heads, "q");
  shapes.k = with_heads(context, *shape_of(1), op.kv_num_heads, "k");
  shapes.v = with_heads(context, *shape_of(2), op.kv_num_heads, "v");
  shapes.k[2] = total_steps(context, shape_of(4), shapes.k, "past_key");
  shapes.v[2] = total_steps(context, shape_of(5), shapes.v, "past_value");
  auto differ = [](const Dim& a, const Dim& b) { return a.known() && b.known() && a != b; };
  const Shape &q = shapes.q, &k = shapes.k, &v = shapes.v;
  bool fits =
      !differ(q[0], k[0]) && !differ(q[0], v[0]) && !differ(q[3], k[3]) && !differ(k[1], v[1]) && !differ(k[2], v[2]);
  if (!fits) context.fail(fmt::format("q {}, k {} and v {} do not fit", to_string(q), to_string(k), to_string(v)));
  if (q[1].known() && k[1].known() && (k[1].value < 1 || q[1].value % k[1].value != 0))
    context.fail(fmt::format("{} heads of q cannot share {} heads of k", q[1].value, k[1].value));
  return shapes;
}

/// x with an axis for its heads: as it is, or [batch, steps, heads * size] transposed.
template <class T>
Tensor heads_of(const Tensor& x, int64_t heads) {
  if (x.rank() == 4) return x;
  Dims dims{x.dim(0), heads, x.dim(1), x.dim(2) / heads};
  Tensor y(x.dtype(), dims);
  strided_copy(pointer<T>(x), y.mutable_data<T>().data(), dims, {x.dim(1) * x.dim(2), dims[3], x.dim(2), 1});
  return y;
}

/// past and x, one after the other on the step axis.
template <class T>
Tensor append(const Tensor& past, const Tensor& x) {
  if (!past.defined()) return x;
  Dims dims = x.dims();
  dims[2] += past.dim(2);
  Tensor y(x.dtype(), dims);
  int64_t first = past.dim(2) * past.dim(3), second = x.dim(2) * x.dim(3);
  T* out = y.mutable_data<T>().data();
  for (int64_t i = 0; i < dims[0] * dims[1]; ++i) {
    out = std::copy(pointer<T>(past) + i * first, pointer<T>(past) + (i + 1) * first, out);
    out = std::copy(pointer<T>(x) + i * second, pointer<T>(x) + (i + 1) * second, out);
  }
  return y;
}

/// x rounded to the values that `dtype` has.
template <class T>
T rounded(T x, std::optional<int64_t> dtype) {
  if (!dtype) return x;
  if (static_cast<DType>(*dtype) == DType::f16) return static_cast<T>(static_cast<float>(Half(static_cast<float>(x))));
  if (static_cast<DType>(*dtype) == DType::bf16)
    return static_cast<T>(static_cast<float>(BFloat16(static_cast<float>(x))));
  return x;
}

/// One evaluation, computed in T.
template <class T>
class Run {
 public:
  Run(EvalContext& context, const Attention& op, const Shapes& shapes)
      : context_(context), op_(op), dims_q_(shapes.q.concrete()) {
    q_ = heads_of<T>(input_as<T>(context, 0), dims_q_[1]);
    k_ = heads_of<T>(input_as<T>(context, 1), shapes.k[1].value);
    v_ = heads_of<T>(input_as<T>(context, 2), shapes.v[1].value);
    if (context.has(4)) k_ = append<T>(input_as<T>(context, 4), k_);
    if (context.has(5)) v_ = append<T>(input_as<T>(context, 5), v_);
    total_ = k_.dim(2);
    scores_dims_ = {dims_q_[0], dims_q_[1], dims_q_[2], total_};
    check_allocation(context.place(), DType::f64, scores_dims_);
    read_mask();
    read_lengths();
  }

  void run(bool flat) {
    DType dtype = context_.in(0).dtype();
    int64_t steps = dims_q_[2], size = v_.dim(3), heads = dims_q_[1];
    Tensor y = Tensor::zeros(dtype_of<T>(), {dims_q_[0], heads, steps, size});
    Tensor kept(dtype_of<T>(), scores_dims_);
    T *out = y.mutable_data<T>().data(), *keep = kept.mutable_data<T>().data();
    for (int64_t i = 0; i < dims_q_[0] * heads; ++i)
      head(i / heads, i % heads, keep + i * steps * total_, out + i * steps * size);
    if (flat) {
      Dims dims{dims_q_[0], steps, heads, size};
      Tensor transposed(y.dtype(), dims);
      strided_copy(pointer<T>(y), transposed.mutable_data<T>().data(), dims,
                   {heads * steps * size, size, steps * size, 1});
      y = transposed.reshaped({dims_q_[0], steps, heads * size});
    }
    context_.set(0, y.cast(dtype));
    if (context_.output_count() > 1) context_.set(1, k_.cast(context_.in(1).dtype()));
    if (context_.output_count() > 2) context_.set(2, v_.cast(context_.in(2).dtype()));
    if (context_.output_count() > 3) context_.set(3, kept.cast(dtype));
  }

 private:
  static constexpr T masked = -std::numeric_limits<T>::infinity();

  /// The mask as numbers to add, with the steps past its end masked.
  void read_mask() {
    if (!context_.has(3)) return;
    const Tensor& mask = context_.in(3);
    Dims dims = mask.dims();
    if (dims.empty() || dims.size() > 4 || dims.back() > total_)
      context_.fail(
          fmt::format("attn_mask has shape {}, expected up to [batch, heads, steps, {}]", to_string(dims), total_));
    bool truth = mask.dtype() == DType::boolean;
    Tensor wide = mask.cast(dtype_of<T>());
    int64_t width = dims.back();
    // A last axis of one broadcasts.
    dims.back() = width == 1 ? 1 : total_;
    auto fits = broadcast(dims, scores_dims_);
    if (!fits || *fits != scores_dims_)
      context_.fail(fmt::format("attn_mask has shape {}, which does not broadcast to {}", to_string(mask.dims()),
                                to_string(scores_dims_)));
    mask_ = Tensor(dtype_of<T>(), dims);
    T* to = mask_.mutable_data<T>().data();
    for (int64_t row = 0; row < mask_.size() / std::max<int64_t>(dims.back(), 1); ++row)
      for (int64_t j = 0; j < dims.back(); ++j) {
        T value = j < width ? pointer<T>(wide)[row * width + j] : masked;
        *to++ = truth && j < width ? (value != 0 ? T(0) : masked) : value;
      }
  }

  void read_lengths() {
    lengths_.assign(static_cast<size_t>(dims_q_[0]), total_);
    if (!context_.has(6)) return;
    lengths_ = int_list(context_, 6);
    if (static_cast<int64_t>(lengths_.size()) != dims_q_[0])
      context_.fail(fmt::format("has {} nonpad_kv_seqlen for {} samples", lengths_.size(), dims_q_[0]));
    for (int64_t length : lengths_)
      if (length < 0 || length > total_)
        context_.fail(fmt::format("nonpad_kv_seqlen has {}, expected 0 to {}", length, total_));
  }

  /// Adds the masks to one row of scores.
  void add_masks(int64_t n, int64_t h, int64_t i, T* scores) const {
    if (mask_.defined()) {
      const Dims& dims = mask_.dims();
      Dims strides = row_major_strides(dims);
      const int64_t at[] = {n, h, i};
      const T* row = pointer<T>(mask_);
      for (size_t axis = 0; axis + 1 < dims.size(); ++axis)
        if (dims[axis] > 1) row += at[axis + 4 - dims.size()] * strides[axis];
      int64_t step = dims.back() == 1 ? 0 : 1;
      for (int64_t j = 0; j < total_; ++j) scores[j] += row[j * step];
    }
    int64_t end = lengths_[static_cast<size_t>(n)], begin = 0;
    int64_t before = context_.has(4) ? context_.in(4).dim(2) : context_.has(6) ? end - dims_q_[2] : 0;
    int64_t position = i + before, right = op_.is_causal ? 0 : op_.right_window_size;
    if (right >= 0) end = std::min(end, position + std::min(right, total_) + 1);
    if (op_.left_window_size >= 0) begin = std::min(position - op_.left_window_size, total_);
    for (int64_t j = 0; j < begin; ++j) scores[j] = masked;
    for (int64_t j = std::max<int64_t>(end, 0); j < total_; ++j) scores[j] = masked;
  }

  void softmax(T* scores) const {
    T top = masked;
    for (int64_t j = 0; j < total_; ++j) {
      scores[j] = rounded(scores[j], op_.softmax_precision);
      top = max_nan(top, scores[j]);
    }
    if (top == masked) return std::fill(scores, scores + total_, T(0));
    double sum = 0;
    for (int64_t j = 0; j < total_; ++j) sum += static_cast<double>(scores[j] = std::exp(scores[j] - top));
    for (int64_t j = 0; j < total_; ++j)
      scores[j] = rounded(static_cast<T>(static_cast<double>(scores[j]) / sum), op_.softmax_precision);
  }

  /// One head of one sample; `keep` gets the scores that the last output wants.
  void head(int64_t n, int64_t h, T* keep, T* y) const {
    int64_t steps = dims_q_[2], size = dims_q_[3], kv_heads = k_.dim(1);
    int64_t kv = n * kv_heads + h / (dims_q_[1] / kv_heads);
    double factor = op_.scale ? static_cast<double>(*op_.scale) : 1 / std::sqrt(static_cast<double>(size));
    std::vector<T> q(static_cast<size_t>(steps * size)), k(static_cast<size_t>(total_ * size));
    const T* from = pointer<T>(q_) + (n * dims_q_[1] + h) * steps * size;
    for (int64_t i = 0; i < steps * size; ++i) q[static_cast<size_t>(i)] = from[i] * static_cast<T>(factor);
    from = pointer<T>(k_) + kv * total_ * size;
    for (int64_t j = 0; j < total_; ++j)
      for (int64_t c = 0; c < size; ++c) k[static_cast<size_t>(c * total_ + j)] = from[j * size + c];
    std::vector<T> scores(static_cast<size_t>(steps * total_), T(0));
    multiply_add(q.data(), k.data(), scores.data(), steps, size, total_, total_);
    int64_t mode = op_.qk_matmul_output_mode == 1 && op_.softcap == 0 ? 2 : op_.qk_matmul_output_mode;
    for (int64_t i = 0; i < steps; ++i) {
      T* row = scores.data() + i * total_;
      auto stage = [&](int64_t number) {
        if (mode == number) std::copy(row, row + total_, keep + i * total_);
      };
      stage(0);
      auto cap = static_cast<T>(op_.softcap);
      if (op_.softcap != 0)
        for (int64_t j = 0; j < total_; ++j) row[j] = cap * std::tanh(row[j] / cap);
      stage(1);
      add_masks(n, h, i, row);
      stage(2);
      softmax(row);
      stage(3);
    }
    multiply_add(scores.data(), pointer<T>(v_) + kv * total_ * v_.dim(3), y, steps, total_, v_.dim(3), v_.dim(3));
  }

  EvalContext& context_;
  const Attention& op_;
  Dims dims_q_, scores_dims_;
  Tensor q_, k_, v_, mask_;
  int64_t total_ = 0;
  std::vector<int64_t> lengths_;
};

}  // namespace

void Attention::infer(InferContext& context) const {
  Shapes shapes = shapes_of(context, *this, [&](size_t i) -> std::optional<Shape> {
    return context.has_input(i) ? std::optional(context.shape(i)) : std::nullopt;
  });
  const Shape &q = shapes.q, &k = shapes.k, &v = shapes.v;
  DType dtype = context.dtype(0);
  if (!context.shape(0).ranked)
    context.set_output(0, dtype, Shape());
  else if (shapes.flat)
    context.set_output(0, dtype, Shape{q[0], q[2], product({q[1], v[3]})});
  else
    context.set_output(0, dtype, Shape{q[0], q[1], q[2], v[3]});
  context.set_output(1, context.dtype(1), k);
  context.set_output(2, context.dtype(2), v);
  context.set_output(3, dtype, Shape{q[0], q[1], q[2], k[2]});
}

void Attention::evaluate(EvalContext& context) const {
  Shapes shapes = shapes_of(context, *this, [&](size_t i) -> std::optional<Shape> {
    return context.has(i) ? std::optional(Shape(context.in(i).dims())) : std::nullopt;
  });
  with_float(context, context.in(0).dtype(), [&]<class T>(T) { Run<T>(context, *this, shapes).run(shapes.flat); });
}

HONE_DEFINE_OP(Attention)

}  // namespace hone::ops
