#include "graph/ops/types.hpp"

namespace hone::ops {

bool accepts(Types types, DType dtype) {
  switch (types) {
    case Types::floats: return is_float(dtype);
    case Types::integers: return is_integer(dtype);
    case Types::unsigned_integers:
      return dtype == DType::u8 || dtype == DType::u16 || dtype == DType::u32 || dtype == DType::u64;
    case Types::numbers: return is_float(dtype) || is_integer(dtype);
    case Types::boolean: return dtype == DType::boolean;
    case Types::numbers_or_bool: return is_float(dtype) || is_integer(dtype) || dtype == DType::boolean;
  }
  return false;
}

const char* describe(Types types) {
  switch (types) {
    case Types::floats: return "a floating-point type";
    case Types::integers: return "an integer type";
    case Types::unsigned_integers: return "an unsigned integer type";
    case Types::numbers: return "a number type";
    case Types::boolean: return "bool";
    case Types::numbers_or_bool: return "a number type or bool";
  }
  return "";
}

void require_types(const InferContext& context, size_t i, Types types) {
  if (!context.has_input(i)) return;
  DType dtype = context.dtype(i);
  if (dtype != DType::undefined && !accepts(types, dtype))
    context.fail("input " + std::to_string(i) + " is " + name_of(dtype) + ", expected " + describe(types),
                 "insert a Cast");
}

void require_same_type(const InferContext& context, size_t i, size_t j) {
  if (!context.has_input(i) || !context.has_input(j)) return;
  DType a = context.dtype(i), b = context.dtype(j);
  if (a != DType::undefined && b != DType::undefined && a != b)
    context.fail("inputs " + std::to_string(i) + " and " + std::to_string(j) + " are " + name_of(a) + " and " +
                     name_of(b) + ", expected one type",
                 "insert a Cast");
}

void fail_type(const EvalContext& context, DType dtype, Types types) {
  context.fail(std::string("input is ") + name_of(dtype) + ", expected " + describe(types), "insert a Cast");
}

}  // namespace hone::ops
