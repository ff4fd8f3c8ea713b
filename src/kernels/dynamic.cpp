#include "kernels/dynamic.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(DynamicKernels, dynamic)

const DynamicKernels& dynamic_kernels(Isa isa) { return pick_dynamic(isa); }

}  // namespace hone::kernels
