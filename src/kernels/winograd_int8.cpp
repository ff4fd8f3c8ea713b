#include "kernels/winograd_int8.hpp"

namespace hone::kernels {

#if defined(HONE_KERNELS_X86)
namespace avx512 { extern const WinogradInt8Kernels winograd_int8; }
namespace vnni { extern const WinogradInt8Kernels winograd_int8; }

const WinogradInt8Kernels* winograd_int8_kernels(Isa isa) {
  return isa == Isa::vnni ? &vnni::winograd_int8 : isa == Isa::avx512 ? &avx512::winograd_int8 : nullptr;
}
#else
const WinogradInt8Kernels* winograd_int8_kernels(Isa) { return nullptr; }
#endif

}  // namespace hone::kernels
