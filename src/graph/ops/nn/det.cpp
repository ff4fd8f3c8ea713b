#include <cmath>
#include <vector>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

namespace {

/// By elimination with the largest pivot of each column; `a` is lost.
double determinant(std::vector<double>& a, int64_t n) {
  auto at = [&](int64_t i, int64_t j) -> double& { return a[static_cast<size_t>(i * n + j)]; };
  double result = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::abs(at(i, k)) > std::abs(at(pivot, k))) pivot = i;
    if (at(pivot, k) == 0) return 0;
    if (pivot != k) {
      for (int64_t j = k; j < n; ++j) std::swap(at(k, j), at(pivot, j));
      result = -result;
    }
    result *= at(k, k);
    for (int64_t i = k + 1; i < n; ++i) {
      double factor = at(i, k) / at(k, k);
      for (int64_t j = k + 1; j < n; ++j) at(i, j) -= factor * at(k, j);
    }
  }
  return result;
}

}  // namespace

/// The determinants of square matrices [..., M, M].
struct Det : OpOf<Det> {
  const char* type() const override { return "Det"; }
  OpSpec spec() const override { return {.summary = "y = det(x) of each matrix"}; }

  void infer(InferContext& context) const override {
    Shape x = context.shape(0);
    if (x.ranked) {
      check(context, x);
      x.dims.resize(x.dims.size() - 2);
    }
    context.set_output(0, context.dtype(0), x);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& in = context.in(0);
    check(context, Shape(in.dims()));
    int64_t n = in.dim(-1);
    Dims dims(in.dims().begin(), in.dims().end() - 2);
    with_float(context, in.dtype(), [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0);
      output_as<T>(context, 0, in.dtype(), dims, [&](T* y) {
        for (int64_t i = 0; i < element_count(dims); ++i) {
          std::vector<double> matrix(pointer<T>(x) + i * n * n, pointer<T>(x) + (i + 1) * n * n);
          y[i] = static_cast<T>(determinant(matrix, n));
        }
      });
    });
  }

 private:
  template <class Context>
  static void check(Context& context, const Shape& x) {
    bool fits = x.rank() >= 2;
    if (fits) {
      const Dim &rows = x.dims[x.dims.size() - 2], &columns = x.dims.back();
      fits = !rows.known() || !columns.known() || rows == columns;
    }
    if (!fits) context.fail("input has shape " + to_string(x) + ", expected square matrices [..., M, M]");
  }
};

HONE_DEFINE_OP(Det)

}  // namespace hone::ops
