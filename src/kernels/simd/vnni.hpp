#pragma once
#define HONE_ISA vnni
#include "kernels/simd/avx512.hpp"
