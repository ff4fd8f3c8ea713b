#include "kernels/packed_matmul.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(PackedMatMulKernels, packed_matmul)

const PackedMatMulKernels& packed_matmul_kernels(Isa isa) { return pick_packed_matmul(isa); }

}  // namespace hone::kernels
