#include "kernels/gemv.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(GemvKernels, gemv)

const GemvKernels& gemv_kernels(Isa isa) { return pick_gemv(isa); }

}  // namespace hone::kernels
