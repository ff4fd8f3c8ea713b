#include "kernels/resize.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(ResizeKernels, resize)

const ResizeKernels& resize_kernels(Isa isa) { return pick_resize(isa); }

}  // namespace hone::kernels
