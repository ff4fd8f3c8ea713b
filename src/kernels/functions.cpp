#include "kernels/functions.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(FunctionKernels, functions)

const FunctionKernels& function_kernels(Isa isa) { return pick_functions(isa); }

}  // namespace hone::kernels
