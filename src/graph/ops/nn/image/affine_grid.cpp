#include "graph/ops/nn/compute.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

/// The points at which GridSample reads an image to transform it. Inputs: theta [N, 2, 3] or [N, 3, 4], size (N, C,
/// (D,) H, W). Output: [N, (D,) H, W, 2 or 3], x before y, in [-1, 1] over the image.
struct AffineGrid : OpOf<AffineGrid> {
  int64_t align_corners = 0;  ///< 1: -1 and 1 are the centers of the corner pixels, 0: their outer edges

  const char* type() const override { return "AffineGrid"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y[p] = theta (p, 1) for all points p of an image"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("align_corners", align_corners); }

  void infer(InferContext& context) const override {
    const Shape& theta = context.shape(0);
    auto size = known_dims(context, 1);
    if (size) {
      check(context, theta, size->size());
      Shape result{(*size)[0]};
      result.dims.insert(result.dims.end(), size->begin() + 2, size->end());
      result.dims.emplace_back(static_cast<int64_t>(size->size()) - 2);
      return context.set_output(0, context.dtype(0), result);
    }
    Shape result;
    if (theta.ranked && theta.rank() == 3 && theta[1].known()) {
      result = unknown_sizes(theta[1].value + 2);
      result.dims.back() = theta[1];
    }
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& theta = context.in(0);
    std::vector<int64_t> size = int_list(context, 1);
    check(context, Shape(theta.dims()), size.size());
    Dims dims{size[0]};
    dims.insert(dims.end(), size.begin() + 2, size.end());
    dims.push_back(static_cast<int64_t>(size.size()) - 2);
    for (int64_t value : size)
      if (value < 1) context.fail("size is " + to_string(Dims(size)) + ", expected positive numbers");
    if (theta.dim(0) != size[0])
      context.fail(fmt::format("theta has {} samples, size {}", theta.dim(0), to_string(Dims(size))));
    check_allocation(context.place(), DType::f64, dims);
    with_float(context, theta.dtype(), [&]<class T>(T) {
      Tensor wide = input_as<T>(context, 0);
      output_as<T>(context, 0, theta.dtype(), dims, [&](T* y) { fill(pointer<T>(wide), dims, y); });
    });
  }

 private:
  template <class Context>
  static void check(Context& context, const Shape& theta, size_t rank) {
    if (rank != 4 && rank != 5) context.fail(fmt::format("size has {} entries, expected 4 or 5", rank));
    auto spatial = static_cast<int64_t>(rank) - 2;
    bool fits = !theta.ranked || (theta.rank() == 3 && (!theta[1].known() || theta[1] == Dim(spatial)) &&
                                  (!theta[2].known() || theta[2] == Dim(spatial + 1)));
    if (!fits)
      context.fail(fmt::format("theta has shape {}, expected [N, {}, {}]", to_string(theta), spatial, spatial + 1));
  }

  double coordinate(int64_t i, int64_t size) const {
    auto count = static_cast<double>(size), at = static_cast<double>(i);
    if (!align_corners) return (2 * at + 1) / count - 1;
    return size > 1 ? 2 * at / (count - 1) - 1 : 0;
  }

  template <class T>
  void fill(const T* theta, const Dims& dims, T* y) const {
    size_t spatial = dims.size() - 2;
    int64_t points = 1;
    for (size_t i = 1; i <= spatial; ++i) points *= dims[i];
    for (int64_t n = 0; n < dims[0]; ++n, theta += spatial * (spatial + 1))
      for (int64_t p = 0; p < points; ++p) {
        double at[4] = {0, 0, 0, 0};  // x first
        int64_t rest = p;
        for (size_t i = 0; i < spatial; ++i) {
          int64_t size = dims[spatial - i];
          at[i] = coordinate(rest % size, size);
          rest /= size;
        }
        at[spatial] = 1;
        for (size_t row = 0; row < spatial; ++row) {
          double sum = 0;
          for (size_t i = 0; i <= spatial; ++i) sum += static_cast<double>(theta[row * (spatial + 1) + i]) * at[i];
          *y++ = static_cast<T>(sum);
        }
      }
  }
};

HONE_DEFINE_OP(AffineGrid)

}  // namespace hone::ops
