#pragma once
#include <cstdint>

#include "kernels/isa.hpp"
#include "tensor/dtype.hpp"

/// Comparisons, selections and positions of extremes. Kernels work on a range and never allocate, throw or lock.
namespace hone::kernels {

enum class Compare : uint8_t { equal, less, less_equal, greater, greater_equal };

/// One row of elements: each operand moves by 1 element, or by 0 when it is one element for the whole row.
struct ChooseRow {
  const void* in[3] = {nullptr, nullptr, nullptr};
  int64_t step[3] = {0, 0, 0};
  int64_t count = 0;
};

/// The types that compare takes.
constexpr bool comparable(DType type) {
  return type == DType::f32 || type == DType::i64 || type == DType::i32 || type == DType::u8 || type == DType::i8;
}

struct ChooseKernels {
  /// y = a ? b, one byte (0 or 1) an element, for comparable types.
  void (*compare)(Compare op, DType type, const ChooseRow& row, uint8_t* y);
  /// y = in[0] ? in[1] : in[2], where in[0] are bytes and the others have elements of 1, 2, 4 or 8 bytes.
  void (*where)(int element_bytes, const ChooseRow& row, void* y);
  /// Positions of the largest (or smallest) element over the middle axis of [outer, length, inner], the first or the
  /// last of equal ones; a NaN is more extreme than any number. Units [begin, end) of outer * extreme_units(inner);
  /// length < 2^31.
  void (*extreme)(bool largest, bool last, const float* x, int64_t length, int64_t inner, int64_t* y, int64_t begin,
                  int64_t end);
};

/// Columns are worked on in units of 64.
constexpr int64_t kExtremeUnit = 64;
constexpr int64_t extreme_units(int64_t inner) { return (inner + kExtremeUnit - 1) / kExtremeUnit; }

const ChooseKernels& choose_kernels(Isa isa = best_isa());

}  // namespace hone::kernels
