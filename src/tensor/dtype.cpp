#include "tensor/dtype.hpp"

#include <bit>

#include "tensor/int4.hpp"

namespace hone {

namespace {
struct Row {
  DType type;
  const char* name;
  size_t size;
};
constexpr Row rows[] = {
    {DType::undefined, "undefined", 0}, {DType::f32, "f32", 4},    {DType::u8, "u8", 1},   {DType::i8, "i8", 1},
    {DType::u16, "u16", 2},             {DType::i16, "i16", 2},    {DType::i32, "i32", 4}, {DType::i64, "i64", 8},
    {DType::string, "string", 0},       {DType::boolean, "bool", 1}, {DType::f16, "f16", 2}, {DType::f64, "f64", 8},
    {DType::u32, "u32", 4},             {DType::u64, "u64", 8},    {DType::bf16, "bf16", 2},
    {dtype_u4, "u4", 1},                {dtype_i4, "i4", 1},  // a byte in memory
};
const Row& row(DType type) {
  for (const Row& candidate : rows)
    if (candidate.type == type) return candidate;
  return rows[0];
}
}  // namespace

size_t size_of(DType type) { return row(type).size; }
const char* name_of(DType type) { return row(type).name; }
DType dtype_from_name(std::string_view name) {
  for (const Row& candidate : rows)
    if (name == candidate.name) return candidate.type;
  return DType::undefined;
}
bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}
bool is_integer(DType type) {
  switch (type) {
    case DType::u8: case DType::i8: case DType::u16: case DType::i16:
    case DType::i32: case DType::i64: case DType::u32: case DType::u64:
      return true;
    default:
      return is_4_bit(type);
  }
}

Half::Half(float value) {
  uint32_t x = std::bit_cast<uint32_t>(value), sign = x >> 16 & 0x8000, magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    bits = static_cast<uint16_t>(sign | 0x7e00);  // NaN
  } else if (magnitude >= 0x477ff000) {
    bits = static_cast<uint16_t>(sign | 0x7c00);  // overflow to infinity
  } else if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 aligns the mantissa so that the FPU rounds to nearest even for us.
    float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000));
  } else {
    uint32_t odd = magnitude >> 13 & 1;
    bits = static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
  }
}

Half::operator float() const {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0) {
    float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

BFloat16::BFloat16(float value) {
  uint32_t x = std::bit_cast<uint32_t>(value);
  if ((x & 0x7fffffff) > 0x7f800000)
    bits = static_cast<uint16_t>(x >> 16 | 0x40);
  else
    bits = static_cast<uint16_t>((x + 0x7fff + (x >> 16 & 1)) >> 16);
}

BFloat16::operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

}  // namespace hone
