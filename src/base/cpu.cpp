#include "base/cpu.hpp"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hone {

namespace {

std::string brand_string() {
#if defined(__x86_64__)
  unsigned regs[12] = {};
  for (unsigned i = 0; i < 3; ++i)
    if (!__get_cpuid(0x80000002u + i, &regs[i * 4], &regs[i * 4 + 1], &regs[i * 4 + 2], &regs[i * 4 + 3]))
      return "unknown";
  char text[49] = {};
  std::memcpy(text, regs, 48);
  std::string name = text;
  while (!name.empty() && name.back() == ' ') name.pop_back();
  return name.substr(name.find_first_not_of(' ') == std::string::npos ? 0 : name.find_first_not_of(' '));
#else
  return "unknown";
#endif
}

CpuFeatures detect() {
  CpuFeatures found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  found.avx512_vnni = found.avx512 && __builtin_cpu_supports("avx512vnni");
#endif
  if (const char* limit = std::getenv("HONE_CPU")) {
    std::string level = limit;
    if (level == "avx512") {
      found.avx512_vnni = false;
    } else if (level == "avx2") {
      found.avx512 = found.avx512_vnni = false;
    } else if (level == "sse") {
      found.avx2 = found.avx512 = found.avx512_vnni = false;
    } else if (level != "vnni" && level != "avx512_vnni" && !level.empty()) {
      warn("HONE_CPU='" + level + "' is not one of sse, avx2, avx512, vnni; using all that the CPU has");
    }
  }
  found.name = brand_string();
  cpu_set_t set;
  CPU_ZERO(&set);
  found.cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return found;
}

}  // namespace

const char* CpuFeatures::isa() const {
  return avx512_vnni ? "avx512_vnni" : avx512 ? "avx512" : avx2 ? "avx2" : "sse";
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

long cache_size(int level) {
  int name = level == 1 ? _SC_LEVEL1_DCACHE_SIZE : level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE;
  long bytes = sysconf(name);
  return bytes > 0 ? bytes : 0;
}

}  // namespace hone
