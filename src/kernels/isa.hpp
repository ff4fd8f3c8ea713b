#pragma once

namespace hone::kernels {

/// The instruction sets that kernels are compiled for, slowest first. `generic` is portable C++ in 16-byte vectors.
enum class Isa { generic, avx2, avx512, vnni };

/// The best level that hone::cpu_features() allows (HONE_CPU can lower it).
Isa best_isa();
/// Whether this build has the level and this process may run it.
bool isa_available(Isa isa);
/// "generic", "avx2", "avx512", "vnni".
const char* name_of(Isa isa);

}  // namespace hone::kernels
