#pragma once
#include "kernels/isa.hpp"

/// HONE_KERNEL_TABLES(Type, name): declares the table `name` of every instruction set and defines
/// `pick_<name>(isa)`. A family without code of its own for VNNI uses HONE_KERNEL_TABLES_NO_VNNI.
#if defined(HONE_KERNELS_X86)
#define HONE_KERNEL_TABLES(Type, name)                                              \
  namespace generic { extern const Type name; }                                     \
  namespace avx2 { extern const Type name; }                                        \
  namespace avx512 { extern const Type name; }                                      \
  namespace vnni { extern const Type name; }                                        \
  static const Type& pick_##name(Isa isa) {                                         \
    return isa == Isa::vnni ? vnni::name                                            \
                            : isa == Isa::avx512 ? avx512::name : isa == Isa::avx2 ? avx2::name : generic::name; \
  }
#define HONE_KERNEL_TABLES_NO_VNNI(Type, name)                                      \
  namespace generic { extern const Type name; }                                     \
  namespace avx2 { extern const Type name; }                                        \
  namespace avx512 { extern const Type name; }                                      \
  static const Type& pick_##name(Isa isa) {                                         \
    return isa >= Isa::avx512 ? avx512::name : isa == Isa::avx2 ? avx2::name : generic::name; \
  }
#else
#define HONE_KERNEL_TABLES(Type, name)          \
  namespace generic { extern const Type name; } \
  static const Type& pick_##name(Isa) { return generic::name; }
#define HONE_KERNEL_TABLES_NO_VNNI(Type, name) HONE_KERNEL_TABLES(Type, name)
#endif
