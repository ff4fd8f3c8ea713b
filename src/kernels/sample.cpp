#include "kernels/sample.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(SampleKernels, sample)

const SampleKernels& sample_kernels(Isa isa) { return pick_sample(isa); }

}  // namespace hone::kernels
