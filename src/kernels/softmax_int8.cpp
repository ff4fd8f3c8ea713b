#include "kernels/softmax_int8.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(SoftmaxInt8Kernels, softmax_int8)

const SoftmaxInt8Kernels& softmax_int8_kernels(Isa isa) { return pick_softmax_int8(isa); }

}  // namespace hone::kernels
