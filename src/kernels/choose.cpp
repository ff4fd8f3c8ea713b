#include "kernels/choose.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(ChooseKernels, choose)

const ChooseKernels& choose_kernels(Isa isa) { return pick_choose(isa); }

}  // namespace hone::kernels
