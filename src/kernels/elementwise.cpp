#include "kernels/elementwise.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(ElementwiseKernels, elementwise)

const ElementwiseKernels& elementwise_kernels(Isa isa) { return pick_elementwise(isa); }

void make_lookup(const ConvertJob& job, uint8_t* table) {
  uint8_t all[256];
  for (int i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
  ConvertJob whole = job;
  whole.x.data = all;
  elementwise_kernels().convert(whole, table, 0, 256);
}

}  // namespace hone::kernels
