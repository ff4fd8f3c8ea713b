#include "kernels/normalize.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(NormalizeKernels, normalize)

const NormalizeKernels& normalize_kernels(Isa isa) { return pick_normalize(isa); }

}  // namespace hone::kernels
