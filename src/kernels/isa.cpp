#include "kernels/isa.hpp"

#include "base/cpu.hpp"

namespace hone::kernels {

Isa best_isa() {
#if defined(HONE_KERNELS_X86)
  const CpuFeatures& cpu = cpu_features();
  return cpu.avx512_vnni ? Isa::vnni : cpu.avx512 ? Isa::avx512 : cpu.avx2 ? Isa::avx2 : Isa::generic;
#else
  return Isa::generic;
#endif
}

bool isa_available(Isa isa) { return isa <= best_isa(); }

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::vnni: return "vnni";
    default: return "generic";
  }
}

}  // namespace hone::kernels
