#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <hone/export.hpp>

HONE_NAMESPACE_BEGIN

/// Element types; the numbers are those of ONNX.
enum class DType : uint8_t {
  undefined = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  string = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  bf16 = 16,
};
/// Bytes of one element; 0 for undefined and string.
HONE_API size_t size_of(DType dtype);
/// "f32", "u8", "bool", ...
HONE_API const char* name_of(DType dtype);

/// The element type for the C++ type T. f16 and bf16 have none: use the untyped functions and Tensor::to_floats().
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, double>) return DType::f64;
  else if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
    return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  else {
    static_assert(std::is_integral_v<T>, "T is no element type of tensors");
    return sizeof(T) == 1 ? DType::u8 : sizeof(T) == 2 ? DType::u16 : sizeof(T) == 4 ? DType::u32 : DType::u64;
  }
}

/// Concrete sizes, outermost first.
using Dims = std::vector<int64_t>;

/// One size of a shape: a number, a named symbol ("N") or unknown.
struct Dim {
  int64_t size = -1;   ///< -1: open
  std::string symbol;  ///< name of an open size; one name means one size
  bool known() const { return size >= 0; }
};

/// The shape of an input or output, with sizes that may be open until the model runs.
struct Shape {
  bool ranked = false;  ///< false: not even the number of dimensions is known
  std::vector<Dim> dims;
  bool is_static() const {
    for (const Dim& dim : dims)
      if (!dim.known()) return false;
    return ranked;
  }
};
HONE_API std::string to_string(const Shape& shape);  ///< "[N, 3, ?, 224]", "[*]" when not ranked

/// A dense row-major array that the library computes on. It owns its memory or refers to yours. Copies share memory.
///
///   float pixels[3 * 224 * 224];
///   hone::Tensor input = hone::Tensor::view<float>({1, 3, 224, 224}, pixels);   // no copy
class HONE_API Tensor {
 public:
  /// Nothing: defined() is false.
  Tensor() noexcept;
  /// Own memory, 64-byte aligned, not initialized. Throws Error for sizes that make no sense.
  Tensor(DType dtype, Dims dims);

  /// Your memory, which must outlive the tensor and its copies. Throws Error when `bytes` is not what dtype and dims
  /// need, or `data` is not aligned for its elements. The const one makes an input: as an output it is refused.
  static Tensor view(DType dtype, Dims dims, void* data, size_t bytes);
  static Tensor view(DType dtype, Dims dims, const void* data, size_t bytes);
  /// The same for a span, an array, a std::vector: `Tensor::view<float>({1, 10}, vector)`; `view<const float>` for
  /// read-only memory.
  template <class T>
  static Tensor view(Dims dims, std::span<T> memory) {
    return view(dtype_of<std::remove_const_t<T>>(), std::move(dims), memory.data(), memory.size_bytes());
  }
  /// Own memory with these values. Throws Error when their number is not that of the elements.
  template <class T>
  static Tensor copy(Dims dims, std::span<const T> values) {
    return view(dtype_of<T>(), std::move(dims), static_cast<const void*>(values.data()), values.size_bytes()).clone();
  }
  /// A tensor of strings.
  static Tensor of_strings(Dims dims, std::vector<std::string> values);

  bool defined() const noexcept { return impl_ != nullptr; }
  DType dtype() const noexcept;
  const Dims& dims() const noexcept;
  int64_t size() const noexcept;  ///< elements
  size_t bytes() const noexcept;
  bool read_only() const noexcept;

  const void* raw() const noexcept;
  void* mutable_raw();  ///< throws Error when read_only()
  /// The elements. Throws Error when T is not the element type.
  template <class T>
  std::span<const T> data() const {
    require(dtype_of<T>());
    return {static_cast<const T*>(raw()), static_cast<size_t>(size())};
  }
  template <class T>
  std::span<T> mutable_data() {
    require(dtype_of<T>());
    return {static_cast<T*>(mutable_raw()), static_cast<size_t>(size())};
  }
  std::vector<float> to_floats() const;     ///< of any numeric type, f16 too
  std::vector<std::string> strings() const;  ///< of a tensor of strings

  Tensor clone() const;              ///< own memory, same values
  Tensor reshaped(Dims dims) const;  ///< shares memory; throws Error when the number of elements differs

 private:
  friend struct TensorAccess;
  struct Impl;
  void require(DType wanted) const;
  std::shared_ptr<Impl> impl_;
};
HONE_API std::string to_string(const Tensor& tensor);  ///< "f32[1, 3, 224, 224]"

HONE_NAMESPACE_END
