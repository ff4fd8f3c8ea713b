#include "kernels/matmul.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(MatMulKernels, matmul)

const MatMulKernels& matmul_kernels(Isa isa) { return pick_matmul(isa); }

}  // namespace hone::kernels
