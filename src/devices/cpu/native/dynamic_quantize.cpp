#include <cmath>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "kernels/dynamic.hpp"

namespace hone::cpu {

namespace {

/// DynamicQuantizeLinear: the range of the whole tensor, then its elements.
class DynamicQuantize : public Kernel {
 public:
  DynamicQuantize(int64_t size, int threads) : size_(size), pieces_(pieces_of(size, 16384, threads)) {}
  std::string name() const override {
    return std::string("hone dynamic quantize ") + kernels::name_of(kernels::best_isa());
  }
  size_t scratch_bytes() const override { return static_cast<size_t>(pieces_) * 2 * sizeof(float); }

  void run(const KernelRun& run) const override {
    const kernels::DynamicKernels& kernel = kernels::dynamic_kernels();
    const float* x = run.in<float>(0);
    auto* ranges = reinterpret_cast<float*>(run.scratch);
    const auto cut = [&](int64_t piece) { return size_ * piece / pieces_; };
    run.pool.parallel_for(
        pieces_, [&](int64_t i, int) { kernel.range(x, cut(i), cut(i + 1), ranges + 2 * i, ranges + 2 * i + 1); });
    float low = 0, high = 0;
    for (int64_t i = 0; i < pieces_; ++i) low = std::min(low, ranges[2 * i]), high = std::max(high, ranges[2 * i + 1]);
    float scale = (high - low) / 255;
    if (!(scale > 0)) scale = 1;  // all zeros
    const float position = std::nearbyint(-low / scale);
    const int zero =
        position > 0 ? static_cast<int>(std::min(position, 255.0f)) : 0;  // also for the NaN of an infinite range
    run.pool.parallel_for(
        pieces_, [&](int64_t i, int) { kernel.quantize(x, scale, zero, run.out<uint8_t>(0), cut(i), cut(i + 1)); });
    *run.out<float>(1) = scale;
    *run.out<uint8_t>(2) = static_cast<uint8_t>(zero);
  }

 private:
  int64_t size_, pieces_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_dynamic_quantize(const Node& node, const CpuContext& context,
                                                     std::string& refusal) {
  if (!node.is("DynamicQuantizeLinear")) return nullptr;
  if (node.input(0)->dtype() != DType::f32) return refusal = "input is not f32", nullptr;
  return std::make_unique<DynamicQuantize>(element_count(dims_of(node.input(0))), context.threads);
}

}  // namespace hone::cpu
