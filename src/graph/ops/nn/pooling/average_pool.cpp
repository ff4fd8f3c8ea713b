#include "graph/ops/nn/pooling/average_pool.hpp"

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/pooling/pool.hpp"

namespace hone::ops {

OpSpec AveragePool::spec() const { return {.summary = "y = the mean of each window"}; }

void AveragePool::attributes(AttributeVisitor& visitor) {
  visitor.field("auto_pad", auto_pad);
  visitor.field("ceil_mode", ceil_mode);
  visitor.field("count_include_pad", count_include_pad);
  visitor.field("dilations", dilations);
  visitor.field("kernel_shape", kernel_shape);
  visitor.field("pads", pads);
  visitor.field("strides", strides);
}

void AveragePool::infer(InferContext& context) const { infer_pool(context, window_attributes(*this)); }

void AveragePool::evaluate(EvalContext& context) const {
  DType dtype = context.in(0).dtype();
  PoolGeometry geometry = pool_geometry(context, window_attributes(*this), context.in(0).dims());
  with_float(context, dtype, [&]<class T>(T) {
    Tensor x = input_as<T>(context, 0);
    output_as<T>(context, 0, dtype, geometry.result, [&](T* y) {
      for_each_window(geometry, [&](int64_t i, int64_t plane, const PoolSpan& d, const PoolSpan& h, const PoolSpan& w) {
        const T* from = pointer<T>(x) + plane * geometry.input_plane();
        T sum = 0;
        for_each_element(geometry, d, h, w, [&](int64_t at) { sum += from[at]; });
        int64_t inside = (d.last - d.first) * (h.last - h.first) * (w.last - w.first);
        int64_t count = count_include_pad ? d.counted * h.counted * w.counted : inside;
        y[i] = count > 0 ? sum / static_cast<T>(count) : T(0);
      });
    });
  });
}

HONE_DEFINE_OP(AveragePool)

}  // namespace hone::ops
