#include <hone/tensor.hpp>

#include <fmt/format.h>

#include "api/access.hpp"

namespace hone::v0 {

namespace {
hone::DType internal(DType dtype) { return static_cast<hone::DType>(dtype); }
static_assert(static_cast<int>(hone::DType::bf16) == static_cast<int>(DType::bf16) &&
              static_cast<int>(hone::DType::u64) == static_cast<int>(DType::u64));

/// A tensor over the caller's memory.
hone::Tensor over(DType dtype, Dims dims, const void* data, size_t bytes) {
  std::string place = fmt::format("tensor {}{}", name_of(dtype), hone::to_string(dims));
  size_t element = size_of(dtype);
  if (element == 0) throw hone::Error(place, "has no fixed element size", "use Tensor::of_strings for strings");
  size_t needed = static_cast<size_t>(hone::element_count(dims));
  if (needed > SIZE_MAX / element || needed * element != bytes)
    throw hone::Error(
        place, fmt::format("was given {} bytes of memory, expected {} elements of {} bytes", bytes, needed, element));
  if (!data && bytes > 0) throw hone::Error(place, "was given no memory (a null pointer)");
  if (reinterpret_cast<uintptr_t>(data) % element != 0)
    throw hone::Error(place, fmt::format("was given memory that is not aligned to its elements of {} bytes", element));
  return hone::Tensor(internal(dtype), std::move(dims), data, bytes, nullptr);
}
}  // namespace

size_t size_of(DType dtype) { return hone::size_of(internal(dtype)); }
const char* name_of(DType dtype) { return hone::name_of(internal(dtype)); }

std::string to_string(const Shape& shape) {
  hone::Shape same;
  same.ranked = shape.ranked;
  for (const Dim& dim : shape.dims)
    same.dims.push_back(dim.known() || dim.symbol.empty() ? hone::Dim(dim.size) : hone::Dim::named(dim.symbol));
  return hone::to_string(same);
}

std::string to_string(const Tensor& tensor) {
  return tensor.defined() ? name_of(tensor.dtype()) + hone::to_string(tensor.dims()) : "undefined tensor";
}

Tensor::Tensor() noexcept = default;
Tensor::Tensor(DType dtype, Dims dims) {
  *this = translated([&] {
    if (size_of(dtype) == 0)
      throw hone::Error(fmt::format("tensor {}{}", name_of(dtype), hone::to_string(dims)), "has no fixed element size",
                        "use Tensor::of_strings for strings");
    return TensorAccess::wrap(hone::Tensor(internal(dtype), std::move(dims)));
  });
}

Tensor Tensor::view(DType dtype, Dims dims, void* data, size_t bytes) {
  return translated([&] { return TensorAccess::wrap(over(dtype, std::move(dims), data, bytes)); });
}
Tensor Tensor::view(DType dtype, Dims dims, const void* data, size_t bytes) {
  return translated([&] { return TensorAccess::wrap(over(dtype, std::move(dims), data, bytes), true); });
}
Tensor Tensor::of_strings(Dims dims, std::vector<std::string> values) {
  return translated([&] { return TensorAccess::wrap(hone::Tensor(std::move(dims), std::move(values))); });
}

DType Tensor::dtype() const noexcept { return static_cast<DType>(TensorAccess::get(*this).dtype()); }
const Dims& Tensor::dims() const noexcept { return TensorAccess::get(*this).dims(); }
int64_t Tensor::size() const noexcept { return TensorAccess::get(*this).size(); }
size_t Tensor::bytes() const noexcept { return TensorAccess::get(*this).bytes(); }
bool Tensor::read_only() const noexcept { return impl_ && impl_->read_only; }
const void* Tensor::raw() const noexcept { return TensorAccess::get(*this).raw(); }

void* Tensor::mutable_raw() {
  if (!impl_) return nullptr;
  if (impl_->read_only) throw Error(to_string(*this), "refers to memory that must not be written", "use clone()");
  return impl_->tensor.mutable_raw();
}

void Tensor::require(DType wanted) const {
  if (dtype() != wanted)
    throw Error(to_string(*this), fmt::format("was asked for elements of type {}", name_of(wanted)),
                "use the type that it has, or to_floats()");
}

std::vector<float> Tensor::to_floats() const {
  return translated([&] { return TensorAccess::get(*this).to_floats(); });
}
std::vector<std::string> Tensor::strings() const {
  return translated([&] { return TensorAccess::get(*this).strings(); });
}
Tensor Tensor::clone() const {
  return translated([&] { return impl_ ? TensorAccess::wrap(impl_->tensor.clone()) : Tensor(); });
}
Tensor Tensor::reshaped(Dims dims) const {
  return translated([&] {
    return TensorAccess::wrap(TensorAccess::get(*this).reshaped(std::move(dims)), read_only());
  });
}

}  // namespace hone::v0
