#include "kernels/gemv.hpp"

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/gemm.hpp"

namespace hone::cpu {

namespace {

/// From here on a second copy of the weights costs more, in memory and at the start, than packing gains for few rows.
constexpr size_t kLargeWeights = 32 << 20;

class Gemv : public Kernel {
 public:
  std::string name() const override { return std::string("hone gemv f32 ") + kernels::name_of(kernels::best_isa()); }
  bool reads(size_t i) const override { return i < 2 || static_cast<int>(i) == epilogue_.residual_input; }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }

  bool build(const Node& node, const ops::Fused& fused, const kernels::GemvShape& shape, std::string& refusal) {
    shape_ = shape;
    return epilogue_.make(node, fused, shape.channels, refusal);
  }

  void run(const KernelRun& run) const override {
    const kernels::Epilogue epilogue = epilogue_.bind(run);
    const int64_t units = (shape_.channels + kernels::gemv_unit - 1) / kernels::gemv_unit;
    spread(run, units, 4, [&](int64_t begin, int64_t end) {
      kernels::gemv_kernels().run(shape_, run.in<float>(0), run.in<float>(1), epilogue, run.out(), begin, end);
    });
  }

 private:
  kernels::GemvShape shape_;
  NativeEpilogue epilogue_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_gemv(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* gemm = fused ? dynamic_cast<const ops::Gemm*>(fused->inner.get()) : nullptr;
  if (!gemm || !fused->weight_scales.empty() || !node.input(1)->is_constant()) return nullptr;
  if (gemm->alpha != 1 || gemm->beta != 1 || gemm->transA || !gemm->transB) return nullptr;
  const Dims x = dims_of(node.input(0)), w = dims_of(node.input(1));
  const bool floats = node.input(0)->dtype() == DType::f32 && node.input(1)->dtype() == DType::f32;
  const Value* bias = fused->inner_inputs > 2 ? node.input(2) : nullptr;
  if (!floats || (bias && !bias->is_constant()) || element_count(x) == 0) return nullptr;
  if (x[0] > kernels::gemv_max_rows) return refusal = "more rows than four", nullptr;
  if (node.input(1)->constant().bytes() < kLargeWeights) return refusal = "weights are small enough to pack", nullptr;
  auto kernel = std::make_unique<Gemv>();
  return kernel->build(node, *fused, {x[0], x[1], w[0]}, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
