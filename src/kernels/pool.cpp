#include "kernels/pool.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(PoolKernels, pool)

const PoolKernels& pool_kernels(Isa isa) { return pick_pool(isa); }

}  // namespace hone::kernels
