#include <cmath>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/pooling/pool.hpp"

namespace hone::ops {

/// The p-norm of each window; padding counts as zeros.
struct LpPool : OpOf<LpPool> {
  std::string auto_pad = "NOTSET";
  int64_t ceil_mode = 0;
  std::vector<int64_t> dilations;
  std::vector<int64_t> kernel_shape;
  int64_t p = 2;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "LpPool"; }
  OpSpec spec() const override { return {.summary = "y = (sum of |x|^p of each window) ^ (1 / p)"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("auto_pad", auto_pad);
    visitor.field("ceil_mode", ceil_mode);
    visitor.field("dilations", dilations);
    visitor.field("kernel_shape", kernel_shape);
    visitor.field("p", p);
    visitor.field("pads", pads);
    visitor.field("strides", strides);
  }

  void infer(InferContext& context) const override {
    check_p(context);
    infer_pool(context, window_attributes(*this));
  }

  void evaluate(EvalContext& context) const override {
    check_p(context);
    DType dtype = context.in(0).dtype();
    PoolGeometry geometry = pool_geometry(context, window_attributes(*this), context.in(0).dims());
    with_float(context, dtype, [&]<class T>(T) {
      Tensor x = input_as<T>(context, 0);
      auto power = static_cast<double>(p);
      output_as<T>(context, 0, dtype, geometry.result, [&](T* y) {
        for_each_window(
            geometry, [&](int64_t i, int64_t plane, const PoolSpan& d, const PoolSpan& h, const PoolSpan& w) {
              const T* from = pointer<T>(x) + plane * geometry.input_plane();
              double sum = 0;
              for_each_element(geometry, d, h, w,
                               [&](int64_t at) { sum += std::pow(std::abs(static_cast<double>(from[at])), power); });
              y[i] = static_cast<T>(std::pow(sum, 1 / power));
            });
      });
    });
  }

 private:
  template <class Context>
  void check_p(Context& context) const {
    if (p < 1) context.fail(fmt::format("p is {}, expected at least 1", p));
  }
};

HONE_DEFINE_OP(LpPool)

}  // namespace hone::ops
