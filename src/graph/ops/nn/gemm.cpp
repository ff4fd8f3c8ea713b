#include "graph/ops/nn/gemm.hpp"

#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/matrix.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Gemm::spec() const { return {.min_inputs = 2, .max_inputs = 3, .summary = "y = alpha a' b' + beta c"}; }

void Gemm::attributes(AttributeVisitor& visitor) {
  visitor.field("alpha", alpha);
  visitor.field("beta", beta);
  visitor.field("transA", transA);
  visitor.field("transB", transB);
}

namespace {

template <class T>
Tensor transposed(const Tensor& x) {
  Tensor y(x.dtype(), {x.dim(1), x.dim(0)});
  strided_copy(pointer<T>(x), y.mutable_data<T>().data(), y.dims(), {1, x.dim(1)});
  return y;
}

/// Sum of products in eight interleaved parts, which a compiler may compute side by side.
template <class T>
T dot(const T* a, const T* b, int64_t count) {
  T part[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int64_t lane = 0; lane < 8; ++lane) part[lane] += a[i + lane] * b[i + lane];
  for (; i < count; ++i) part[i % 8] += a[i] * b[i];
  return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

/// y [m, n] = a b, where b_columns says that `b` holds [n, k].
template <class T>
void product_of(const T* a, const T* b, bool b_columns, int64_t m, int64_t k, int64_t n, T* y) {
  std::fill(y, y + m * n, T(0));
  if (!b_columns) return multiply_add(a, b, y, m, k, n, n);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) y[i * n + j] = dot(a + i * k, b + j * k, k);
}

}  // namespace

void Gemm::infer(InferContext& context) const {
  const Shape &a = context.shape(0), &b = context.shape(1);
  if ((a.ranked && a.rank() != 2) || (b.ranked && b.rank() != 2))
    context.fail(fmt::format("inputs have shapes {} and {}, expected matrices", to_string(a), to_string(b)),
                 "flatten the input first");
  Shape result = unknown_sizes(2);
  if (a.ranked) result[0] = a[transA ? 1 : 0];
  if (b.ranked) result[1] = b[transB ? 0 : 1];
  if (a.ranked && b.ranked) {
    const Dim &columns = a[transA ? 0 : 1], &rows = b[transB ? 1 : 0];
    if (columns.known() && rows.known() && columns != rows)
      context.fail(fmt::format("cannot multiply {}{} by {}{}: {} columns meet {} rows", to_string(a),
                               transA ? " (transposed)" : "", to_string(b), transB ? " (transposed)" : "",
                               columns.value, rows.value));
  }
  if (context.has_input(2) && context.shape(2).ranked) {
    const Shape& c = context.shape(2);
    bool fits = c.rank() <= 2;
    for (int i = 1; fits && i <= c.rank(); ++i) {
      const Dim &size = c.dims[static_cast<size_t>(c.rank() - i)], &wanted = result[static_cast<size_t>(2 - i)];
      fits = !size.known() || !wanted.known() || size == wanted || size == Dim(1);
    }
    if (!fits)
      context.fail(fmt::format("c has shape {}, which does not broadcast to {}", to_string(c), to_string(result)));
  }
  context.set_output(0, context.dtype(0), result);
}

namespace {

bool is_whole(float factor) { return std::abs(factor) < 0x1p62f && factor == std::trunc(factor); }

/// A factor in the type of computation; one below zero wraps around, as all unsigned arithmetic does.
template <class T>
T factor_of(float factor) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<int64_t>(factor));
  else return static_cast<T>(factor);
}

template <class T>
void evaluate_in(EvalContext& context, const Gemm& op) {
  DType dtype = context.in(0).dtype();
  Tensor a = input_as<T>(context, 0), b = input_as<T>(context, 1), c;
  if (a.rank() != 2 || b.rank() != 2)
    context.fail(
        fmt::format("inputs have shapes {} and {}, expected matrices", to_string(a.dims()), to_string(b.dims())));
  if (op.transA) a = transposed<T>(a);
  int64_t m = a.dim(0), k = a.dim(1), n = b.dim(op.transB ? 0 : 1);
  if (b.dim(op.transB ? 1 : 0) != k)
    context.fail(fmt::format("{} columns of a meet {} rows of b", k, b.dim(op.transB ? 1 : 0)));
  if (context.has(2)) c = input_as<T>(context, 2);
  if (c.defined() && broadcast(c.dims(), {m, n}) != Dims{m, n})
    context.fail(fmt::format("c has shape {}, which does not broadcast to [{}, {}]", to_string(c.dims()), m, n));
  check_allocation(context.place(), dtype, {m, n});
  output_as<T>(context, 0, dtype, {m, n}, [&](T* y) {
    product_of(pointer<T>(a), pointer<T>(b), op.transB != 0, m, k, n, y);
    T factor = factor_of<T>(op.alpha), offset = factor_of<T>(op.beta);
    if (op.alpha != 1)
      for (int64_t i = 0; i < m * n; ++i) y[i] *= factor;
    if (!c.defined() || op.beta == 0) return;
    for_each_broadcast({m, n}, {m, n}, c.dims(),
                       [&](int64_t i, int64_t, int64_t at) { y[i] += offset * pointer<T>(c)[at]; });
  });
}

}  // namespace

void Gemm::evaluate(EvalContext& context) const {
  DType dtype = context.in(0).dtype();
  // Unsigned arithmetic gives the same bits as signed; with factors that are fractions the result is truncated.
  if (is_integer(dtype) && is_whole(alpha) && is_whole(beta)) return evaluate_in<uint64_t>(context, *this);
  if (is_integer(dtype)) return evaluate_in<double>(context, *this);
  with_float(context, dtype, [&]<class T>(T) { evaluate_in<T>(context, *this); });
}

HONE_DEFINE_OP(Gemm)

}  // namespace hone::ops
