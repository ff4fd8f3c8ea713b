#include "kernels/conv.hpp"

namespace hone::kernels {

#if defined(HONE_KERNELS_X86)
namespace avx2 { extern const ConvF32Kernels conv_f32; }
namespace avx512 { extern const ConvF32Kernels conv_f32; }
namespace avx2 { extern const ConvInt8Kernels conv_int8; }
namespace avx512 { extern const ConvInt8Kernels conv_int8; }
namespace vnni { extern const ConvInt8Kernels conv_int8; }

const ConvF32Kernels* conv_f32_kernels(Isa isa) {
  return isa >= Isa::avx512 ? &avx512::conv_f32 : isa == Isa::avx2 ? &avx2::conv_f32 : nullptr;
}
const ConvInt8Kernels* conv_int8_kernels(Isa isa) {
  return isa == Isa::vnni     ? &vnni::conv_int8
         : isa == Isa::avx512 ? &avx512::conv_int8
         : isa == Isa::avx2   ? &avx2::conv_int8
                              : nullptr;
}
#else
const ConvF32Kernels* conv_f32_kernels(Isa) { return nullptr; }
const ConvInt8Kernels* conv_int8_kernels(Isa) { return nullptr; }
#endif

}  // namespace hone::kernels
