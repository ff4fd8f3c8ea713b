#include "tensor/shape.hpp"

#include <map>

#include "base/error.hpp"

namespace hone {

int64_t element_count(const Dims& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) {
    if (dim < 0) throw Error("shape " + to_string(dims), "has a negative size");
    if (__builtin_mul_overflow(count, dim, &count)) throw Error("shape " + to_string(dims), "has too many elements");
  }
  return count;
}

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

Dims row_major_strides(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

std::optional<Dims> broadcast(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& x = result[offset + i];
    int64_t y = shorter[i];
    if (x == y || y == 1) continue;
    if (x != 1) return std::nullopt;
    x = y;
  }
  return result;
}

bool Shape::is_static() const {
  if (!ranked) return false;
  for (const Dim& dim : dims)
    if (!dim.known()) return false;
  return true;
}

Dims Shape::concrete() const {
  Dims result;
  for (const Dim& dim : dims) result.push_back(dim.value);
  return result;
}

std::string to_string(const Dim& dim) {
  if (dim.known()) return std::to_string(dim.value);
  return dim.symbol.empty() ? "?" : dim.symbol;
}

std::string to_string(const Shape& shape) {
  if (!shape.ranked) return "[*]";
  std::string text = "[";
  for (size_t i = 0; i < shape.dims.size(); ++i) text += (i ? ", " : "") + to_string(shape.dims[i]);
  return text + "]";
}

bool matches(const Shape& shape, const Dims& dims) {
  if (!shape.ranked) return true;
  if (shape.dims.size() != dims.size()) return false;
  std::map<std::string, int64_t> bound;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Dim& dim = shape.dims[i];
    if (dim.known() && dim.value != dims[i]) return false;
    if (!dim.known() && !dim.symbol.empty() && !bound.emplace(dim.symbol, dims[i]).second &&
        bound[dim.symbol] != dims[i])
      return false;
  }
  return true;
}

}  // namespace hone
