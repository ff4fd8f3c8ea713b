#include "kernels/reduce.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(ReduceKernels, reduce)

const ReduceKernels& reduce_kernels(Isa isa) { return pick_reduce(isa); }

}  // namespace hone::kernels
