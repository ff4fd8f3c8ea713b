#pragma once
#include <string>

#include "tensor/tensor.hpp"

/// The 4-bit element types of ONNX. In memory an element takes a byte, so that nothing but what reads files, writes
/// them and dequantizes has to know; in files two share one, the first in the lower half.
namespace hone {

/// ONNX TensorProto.DataType 21 and 22.
inline constexpr DType dtype_u4 = static_cast<DType>(21), dtype_i4 = static_cast<DType>(22);
constexpr bool is_4_bit(DType type) { return type == dtype_i4 || type == dtype_u4; }

/// The same memory as i8 or u8; other tensors as they are.
Tensor as_bytes(const Tensor& tensor);
/// Bytes of `count` packed elements.
constexpr size_t packed_bytes(int64_t count) { return static_cast<size_t>(count / 2 + count % 2); }
std::string pack_4_bit(const Tensor& tensor);
/// Throws Error when `bytes` are not as many as `dims` need.
Tensor unpack_4_bit(DType type, const Dims& dims, std::string_view bytes);

}  // namespace hone
