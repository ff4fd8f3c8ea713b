#include "kernels/winograd_groups.hpp"

namespace hone::kernels {

#if defined(HONE_KERNELS_X86)
namespace avx512 { extern const WinogradGroupsKernels winograd_groups; }
namespace vnni { extern const WinogradGroupsKernels winograd_groups; }

const WinogradGroupsKernels* winograd_groups_kernels(Isa isa) {
  return isa == Isa::vnni ? &vnni::winograd_groups : isa == Isa::avx512 ? &avx512::winograd_groups : nullptr;
}
#else
const WinogradGroupsKernels* winograd_groups_kernels(Isa) { return nullptr; }
#endif

}  // namespace hone::kernels
