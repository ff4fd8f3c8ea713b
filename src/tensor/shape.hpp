#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hone {

/// Concrete sizes, outermost first.
using Dims = std::vector<int64_t>;

/// Elements of a tensor with these sizes (1 for rank 0). Throws Error on a negative size or overflow.
int64_t element_count(const Dims& dims);
std::string to_string(const Dims& dims);  ///< "[1, 3, 224, 224]"
/// Row-major strides in elements.
Dims row_major_strides(const Dims& dims);
/// The result of numpy broadcasting; nullopt when the sizes do not go together.
std::optional<Dims> broadcast(const Dims& a, const Dims& b);

/// One size of a shape: a number, a named symbol ("N") or unknown.
struct Dim {
  int64_t value = -1;  ///< -1: not known
  std::string symbol;  ///< set only when value is -1; two dims with one symbol are equal

  Dim() = default;
  Dim(int64_t v) : value(v) {}  // NOLINT: a number is a dim
  static Dim named(std::string name) {
    Dim dim;
    dim.symbol = std::move(name);
    return dim;
  }
  bool known() const { return value >= 0; }
  bool operator==(const Dim&) const = default;
};

/// A shape that may have unknown or symbolic sizes, or even an unknown rank.
struct Shape {
  bool ranked = false;
  std::vector<Dim> dims;

  Shape() = default;  ///< unknown rank
  Shape(std::vector<Dim> d) : ranked(true), dims(std::move(d)) {}  // NOLINT
  Shape(const Dims& d) : ranked(true), dims(d.begin(), d.end()) {}  // NOLINT
  Shape(std::initializer_list<Dim> d) : ranked(true), dims(d) {}
  int rank() const { return static_cast<int>(dims.size()); }
  bool is_static() const;  ///< ranked and every dim known
  /// The concrete sizes; only when is_static().
  Dims concrete() const;
  Dim& operator[](size_t i) { return dims[i]; }
  const Dim& operator[](size_t i) const { return dims[i]; }
  bool operator==(const Shape&) const = default;
};

std::string to_string(const Dim& dim);      ///< "3", "N" or "?"
std::string to_string(const Shape& shape);  ///< "[N, 3, ?, 224]", or "[*]" for an unknown rank
/// True when `dims` is one of the shapes that `shape` describes (a repeated symbol must repeat its size).
bool matches(const Shape& shape, const Dims& dims);

}  // namespace hone
