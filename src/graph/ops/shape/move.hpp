#pragma once
#include <algorithm>

#include "graph/op.hpp"
#include "graph/ops/shape/sizes.hpp"

/// What ops that move elements without looking at them share: they work on any dtype by its size.
namespace hone::ops {

/// Makes output `output` with the type of x and calls fill(const T* in, T* out), T an unsigned integer of the element
/// size or std::string.
template <class F>
void move_elements(EvalContext& context, size_t output, const Tensor& x, const Dims& dims, F&& fill) {
  check_allocation(context.place(), x.dtype(), dims);
  if (x.dtype() == DType::string) {
    std::vector<std::string> result(static_cast<size_t>(element_count(dims)));
    fill(x.strings().data(), result.data());
    context.set(output, Tensor(dims, std::move(result)));
    return;
  }
  Tensor& y = context.out(output, x.dtype(), dims);
  auto run = [&](auto tag) {
    using T = decltype(tag);
    fill(static_cast<const T*>(x.raw()), static_cast<T*>(y.mutable_raw()));
  };
  switch (size_of(x.dtype())) {
    case 1: return run(uint8_t{});
    case 2: return run(uint16_t{});
    case 4: return run(uint32_t{});
    default: return run(uint64_t{});
  }
}

/// Calls row(first output element, offset in the input) for every row (last axis) of an output with sizes `dims`, where
/// one step on axis i moves `strides[i]` input elements.
template <class Row>
void for_each_row(const Dims& dims, const Dims& strides, Row row) {
  for (int64_t dim : dims)
    if (dim == 0) return;
  if (dims.size() < 2) return row(int64_t{0}, int64_t{0});
  Dims position(dims.size(), 0);
  int64_t length = dims.back(), count = element_count(dims), offset = 0;
  for (int64_t first = 0; first < count; first += length) {
    row(first, offset);
    for (size_t axis = dims.size() - 1; axis-- > 0;) {
      offset += strides[axis];
      if (++position[axis] < dims[axis]) break;
      offset -= strides[axis] * dims[axis];
      position[axis] = 0;
    }
  }
}

/// out (dense, sizes `dims`) = in read with `strides` (in elements; 0 repeats, negative walks back).
template <class T>
void strided_copy(const T* in, T* out, const Dims& dims, const Dims& strides) {
  int64_t length = dims.empty() ? 1 : dims.back(), step = dims.empty() ? 1 : strides.back();
  for_each_row(dims, strides, [&](int64_t first, int64_t offset) {
    const T* source = in + offset;
    T* target = out + first;
    if (step == 1) std::copy(source, source + length, target);
    else
      for (int64_t i = 0; i < length; ++i) target[i] = source[i * step];
  });
}

/// Product of dims[begin] .. dims[end - 1].
inline int64_t count_between(const Dims& dims, size_t begin, size_t end) {
  int64_t count = 1;
  for (size_t i = begin; i < end; ++i) count *= dims[i];
  return count;
}

}  // namespace hone::ops
