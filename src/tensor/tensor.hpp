#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.hpp"
#include "tensor/shape.hpp"

namespace hone {

struct LooseMemory;

/// A dense row-major array. Copying a Tensor shares its memory; clone() copies it. The memory may belong to
/// the tensor (64-byte aligned), to a mapped file or to somebody else (`owner` keeps it alive). Memory of others that
/// is not aligned for the type is copied when somebody first asks for raw() or data(): files of models have their weights
/// anywhere, and who packs them reads them once, by read_bytes().
class Tensor {
 public:
  Tensor() = default;  ///< empty: defined() is false
  /// Own memory, not initialized. Throws Error on negative sizes, overflow or no memory.
  Tensor(DType dtype, Dims dims);
  /// Somebody else's memory; `bytes` must be at least what dtype and dims need.
  Tensor(DType dtype, Dims dims, const void* data, size_t bytes, std::shared_ptr<const void> owner);
  /// A tensor of strings (dtype string).
  Tensor(Dims dims, std::vector<std::string> strings);

  template <class T>
  static Tensor of(Dims dims, const std::vector<T>& values);
  template <class T>
  static Tensor scalar(T value) { return of<T>({}, {value}); }
  static Tensor zeros(DType dtype, Dims dims);

  bool defined() const { return dtype_ != DType::undefined; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int rank() const { return static_cast<int>(dims_.size()); }
  int64_t dim(int axis) const { return dims_[static_cast<size_t>(axis < 0 ? axis + rank() : axis)]; }
  int64_t size() const { return size_; }  ///< elements
  size_t bytes() const { return static_cast<size_t>(size_) * size_of(dtype_); }

  const void* raw() const { return loose_ ? aligned_copy() : data_; }
  /// Where the bytes lie, perhaps not aligned for the type; never copies.
  const void* address() const;
  /// False when the memory is part of a mapped file or not aligned: then read_bytes() is cheaper for who reads it once.
  bool at_hand() const;
  /// Copies bytes [offset, offset + count) to `to`.
  void read_bytes(size_t offset, size_t count, void* to) const;
  /// For the one who just made the tensor: memory is shared by copies, mapped memory must not be written.
  void* mutable_raw() { return const_cast<void*>(raw()); }
  /// Typed access; throws Error when T is not the element type.
  template <class T>
  std::span<const T> data() const {
    require(dtype_of<T>());
    return {static_cast<const T*>(raw()), static_cast<size_t>(size_)};
  }
  template <class T>
  std::span<T> mutable_data() {
    require(dtype_of<T>());
    return {static_cast<T*>(mutable_raw()), static_cast<size_t>(size_)};
  }
  const std::vector<std::string>& strings() const;

  Tensor clone() const;                ///< own memory, same values
  Tensor reshaped(Dims dims) const;    ///< shares memory; throws Error when the element counts differ
  Tensor cast(DType to) const;         ///< numeric conversion as C++ does it (saturating for float to int)
  std::vector<int64_t> to_ints() const;   ///< any integer or bool type, flat
  std::vector<float> to_floats() const;   ///< any numeric type, flat
  double scalar_as_double() const;        ///< the only element of any numeric type; throws Error otherwise
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  void require(DType wanted) const;
  const void* aligned_copy() const;
  DType dtype_ = DType::undefined;
  Dims dims_;
  int64_t size_ = 0;
  const void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<LooseMemory> loose_;  ///< instead of data_ where that is not aligned
};

/// Bit-for-bit equality of type, sizes and values.
bool identical(const Tensor& a, const Tensor& b);
/// 64-byte aligned, freed with its last owner. Throws Error when there is no memory.
std::shared_ptr<void> allocate(size_t bytes);

template <class T>
Tensor Tensor::of(Dims dims, const std::vector<T>& values) {
  Tensor tensor(dtype_of<T>(), std::move(dims));
  auto out = tensor.mutable_data<T>();
  for (size_t i = 0; i < out.size() && i < values.size(); ++i) out[i] = values[i];
  return tensor;
}

/// Calls f(T{}) with the C++ type of a numeric dtype; throws Error for string and undefined.
template <class F>
decltype(auto) dispatch(DType type, F&& f);
[[noreturn]] void throw_not_numeric(DType type);

template <class F>
decltype(auto) dispatch(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::f16: return f(Half{});
    case DType::bf16: return f(BFloat16{});
    case DType::u8: return f(uint8_t{});
    case DType::i8: return f(int8_t{});
    case DType::u16: return f(uint16_t{});
    case DType::i16: return f(int16_t{});
    case DType::u32: return f(uint32_t{});
    case DType::i32: return f(int32_t{});
    case DType::u64: return f(uint64_t{});
    case DType::i64: return f(int64_t{});
    case DType::boolean: return f(bool{});
    default: throw_not_numeric(type);
  }
}

}  // namespace hone
