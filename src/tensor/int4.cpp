#include "tensor/int4.hpp"

#include "base/error.hpp"

namespace hone {

Tensor as_bytes(const Tensor& tensor) {
  if (!is_4_bit(tensor.dtype())) return tensor;
  auto owner = std::make_shared<Tensor>(tensor);  // keeps the memory alive, whoever it belongs to
  return Tensor(tensor.dtype() == dtype_i4 ? DType::i8 : DType::u8, tensor.dims(), tensor.raw(), tensor.bytes(), owner);
}

std::string pack_4_bit(const Tensor& tensor) {
  std::string bytes(packed_bytes(tensor.size()), '\0');
  const auto* in = static_cast<const uint8_t*>(tensor.raw());
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int half = (in[i] & 15) << (i % 2 * 4);
    char& target = bytes[static_cast<size_t>(i / 2)];
    target = static_cast<char>(static_cast<unsigned char>(target) | half);
  }
  return bytes;
}

Tensor unpack_4_bit(DType type, const Dims& dims, std::string_view bytes) {
  Tensor tensor(type, dims);
  if (bytes.size() != packed_bytes(tensor.size()))
    throw Error("tensor " + to_string(dims), "needs " + std::to_string(packed_bytes(tensor.size())) +
                                                 " bytes of 4-bit data, has " + std::to_string(bytes.size()));
  auto* out = static_cast<uint8_t*>(tensor.mutable_raw());
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int half = static_cast<unsigned char>(bytes[static_cast<size_t>(i / 2)]) >> (i % 2 * 4) & 15;
    bool negative = type == dtype_i4 && half >= 8;
    out[i] = static_cast<uint8_t>(negative ? half - 16 : half);
  }
  return tensor;
}

}  // namespace hone
