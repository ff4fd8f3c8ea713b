#pragma once
#include <cstdint>

#include "kernels/isa.hpp"

/// How fast one core can multiply and add when nothing else holds it up; what layers are compared with.
namespace hone::kernels {

struct PeakKernels {
  /// Independent chains of multiply-adds; returns the operations done (a multiply and an add are two).
  double (*f32)(int64_t rounds);
  double (*int8)(int64_t rounds);  ///< of 8-bit products summed in 32 bits
};

const PeakKernels& peak_kernels(Isa isa = best_isa());

/// Operations a second (1e9) of `threads` threads at once, the best of a few measurements of some milliseconds.
struct Peak {
  double f32 = 0, int8 = 0;
};
Peak measure_peak(int threads);
/// f32 operations a second (1e9) of one thread, measured once in some 0.2 ms.
double quick_peak_f32();

}  // namespace hone::kernels
