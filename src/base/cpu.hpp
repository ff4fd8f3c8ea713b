#pragma once
#include <string>

namespace hone {

/// Instruction sets of this CPU that Hone has kernels for. The environment variable HONE_CPU (`sse`, `avx2`,
/// `avx512`, `vnni`) lowers them, so that one machine can test the code of another.
struct CpuFeatures {
  bool avx2 = false;         ///< AVX2 and FMA
  bool avx512 = false;       ///< AVX-512 F, BW, DQ, VL
  bool avx512_vnni = false;  ///< with VNNI (u8 x s8 dot products without saturation)
  std::string name;          ///< "AMD EPYC", from cpuid
  int cores = 1;             ///< processors this process may use
  /// "avx512_vnni", "avx512", "avx2" or "sse".
  const char* isa() const;
};

const CpuFeatures& cpu_features();
/// Bytes; 0 where unknown. level 1 is the data cache.
long cache_size(int level);

}  // namespace hone
