#include "kernels/winograd.hpp"

namespace hone::kernels {

#if defined(HONE_KERNELS_X86)
namespace avx2 { extern const WinogradKernels winograd; }
namespace avx512 { extern const WinogradKernels winograd; }

const WinogradKernels* winograd_kernels(Isa isa) {
  return isa >= Isa::avx512 ? &avx512::winograd : isa == Isa::avx2 ? &avx2::winograd : nullptr;
}
#else
const WinogradKernels* winograd_kernels(Isa) { return nullptr; }
#endif

}  // namespace hone::kernels
