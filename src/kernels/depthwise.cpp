#include "kernels/depthwise.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

HONE_KERNEL_TABLES_NO_VNNI(DepthwiseF32Kernels, depthwise_f32)
HONE_KERNEL_TABLES(DepthwiseInt8Kernels, depthwise_int8)

const DepthwiseF32Kernels& depthwise_f32_kernels(Isa isa) { return pick_depthwise_f32(isa); }
const DepthwiseInt8Kernels& depthwise_int8_kernels(Isa isa) { return pick_depthwise_int8(isa); }

void depthwise_pack_f32(const DepthwiseShape& shape, const float* w, float* packed) {
  int64_t taps = static_cast<int64_t>(shape.kernel_h) * shape.kernel_w;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t c = 0; c < shape.channels; ++c) *packed++ = w[c * taps + tap];
}

}  // namespace hone::kernels
