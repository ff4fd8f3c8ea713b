// Chains of multiply-adds in registers: enough of them to hide the latency of one, few enough to fit.
#include "kernels/peak.hpp"

#include "kernels/simd/unroll.inl"

namespace hone::kernels::HONE_ISA {
namespace {

constexpr int kChains = kLanes == 16 ? 24 : 10;
// With weights of its own for each chain, more would be spilled.
constexpr int kIntChains = kLanes == 16 ? 12 : 6;

double peak_f32(int64_t rounds) {
  VF acc[kChains];
  unroll<kChains>(HONE_EACH { acc[i] = set1(static_cast<float>(decltype(i)::value)); });
  VF a = keep(set1(0.999f)), b = keep(set1(0.001f));
  for (int64_t round = 0; round < rounds; ++round)
    unroll<kChains>(HONE_EACH { acc[i] = keep(fma(acc[i], a, b)); });
  VF all = zero_f();
  unroll<kChains>(HONE_EACH { all = add(all, acc[i]); });
  return 2.0 * kChains * kLanes * static_cast<double>(rounds) + (sum(all) < 0 ? 1 : 0);
}

double peak_int8(int64_t rounds) {
  VI acc[kIntChains];
  unroll<kIntChains>(HONE_EACH { acc[i] = set1i(decltype(i)::value); });
  // Every chain multiplies by weights of its own, which are loaded anew: the compiler cannot share products.
  constexpr int kBytes = kTapBytes * kLanes;
  alignas(64) uint8_t weights[kIntChains * kBytes];
  for (size_t i = 0; i < sizeof weights; ++i) weights[i] = static_cast<uint8_t>(i % 3);
  const Taps x = splat_taps(3);
  for (int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+m"(weights));
    unroll<kIntChains>(
        HONE_EACH { acc[i] = as_int(keep(as_float(dot4(acc[i], x, load_weights(weights + i * kBytes))))); });
  }
  VI all = set1i(0);
  unroll<kIntChains>(HONE_EACH { all = add(all, acc[i]); });
  return 8.0 * kIntChains * kLanes * static_cast<double>(rounds) + (sum(to_float(all)) == 1 ? 1 : 0);
}

}  // namespace

extern const PeakKernels peak;
const PeakKernels peak{peak_f32, peak_int8};

}  // namespace hone::kernels::HONE_ISA
