#include "devices/cpu/kernels.hpp"

namespace hone::cpu {

const std::vector<KernelEntry>& kernel_list() {
  static const std::vector<KernelEntry> list = {
#define HONE_CPU_KERNEL(name) {#name, make_##name, false},
#define HONE_CPU_RIVAL(name) {#name, make_##name, true},
#include "devices/cpu/kernels.inc"
#undef HONE_CPU_RIVAL
#undef HONE_CPU_KERNEL
  };
  return list;
}

}  // namespace hone::cpu
