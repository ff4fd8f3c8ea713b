#pragma once
#include "devices/cpu/kernel.hpp"

/// The makers that kernel_list() names, one a kernel family; each is defined in the file of the same name.
namespace hone::cpu {

#define HONE_CPU_KERNEL(name) \
  std::unique_ptr<Kernel> make_##name(const Node& node, const CpuContext& context, std::string& refusal);
#define HONE_CPU_RIVAL HONE_CPU_KERNEL
#include "devices/cpu/kernels.inc"
#undef HONE_CPU_RIVAL
#undef HONE_CPU_KERNEL

}  // namespace hone::cpu
