#include "graph/ops/shape/pad.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Pad::spec() const {
  return {.min_inputs = 2, .max_inputs = 4, .traits = 0u | Trait::scale_preserving, .summary = "y = x with a border"};
}

void Pad::attributes(AttributeVisitor& visitor) { visitor.field("mode", mode); }

namespace {

struct Border {
  Dims begin, end;  ///< one entry an axis of x
};

template <class Context>
Border resolve(Context& context, const std::vector<int64_t>& pads, const std::optional<std::vector<int64_t>>& axes,
               size_t rank) {
  Border border{Dims(rank, 0), Dims(rank, 0)};
  std::vector<size_t> front(rank);
  for (size_t i = 0; i < rank; ++i) front[i] = i;
  if (axes) front = front_axes(context, *axes, static_cast<int64_t>(rank));
  if (pads.size() != 2 * front.size())
    context.fail(fmt::format("pads has {} entries, expected {} (a begin and an end for each of {} axes)", pads.size(),
                             2 * front.size(), front.size()));
  constexpr int64_t limit = int64_t{1} << 40;
  for (size_t i = 0; i < front.size(); ++i) {
    int64_t begin = pads[i], end = pads[front.size() + i];
    if (std::max(begin, end) > limit || std::min(begin, end) < -limit)
      context.fail(fmt::format("pads {} are too large", to_string(Dims(pads))));
    border.begin[front[i]] = begin;
    border.end[front[i]] = end;
  }
  return border;
}

template <class Context>
int64_t padded(Context& context, const Border& border, size_t axis, int64_t size) {
  int64_t result = size + border.begin[axis] + border.end[axis];
  if (result < 0)
    context.fail(fmt::format("pads {} and {} remove more than the size {} of axis {}", border.begin[axis],
                             border.end[axis], size, axis));
  return result;
}

template <class Context>
void check_mode(Context& context, const std::string& mode) {
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    context.fail("mode is '" + mode + "', expected constant, reflect, edge or wrap");
}

int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

}  // namespace

std::vector<int64_t> pad_sources(const std::string& mode, int64_t begin, int64_t input, int64_t output) {
  std::vector<int64_t> result(static_cast<size_t>(output));
  // Negative pads crop first: a border repeats what is left, or all of the input where nothing is.
  int64_t first = std::max<int64_t>(-begin, 0), size = std::min(input, output - begin) - first;
  if (size < 1) first = 0, size = input;
  for (int64_t i = 0; i < output; ++i) {
    int64_t at = i - begin - first;
    bool inside = at >= 0 && at < size;
    if (!inside) {
      if (mode == "constant") {
        result[static_cast<size_t>(i)] = -1;
        continue;
      }
      if (mode == "edge") {
        at = at < 0 ? 0 : size - 1;
      } else if (mode == "wrap") {
        at = modulo(at, size);
      } else if (size == 1) {
        at = 0;
      } else {
        at = modulo(at, 2 * (size - 1));
        if (at >= size) at = 2 * (size - 1) - at;
      }
    }
    result[static_cast<size_t>(i)] = first + at;
  }
  return result;
}

namespace {

/// Fills one output row: `row` is nullptr where an outer axis is in the border of constants.
template <class T>
void fill_row(const T* row, const std::vector<int64_t>& source, const T& value, T* out) {
  for (size_t i = 0; i < source.size(); ++i) out[i] = row && source[i] >= 0 ? row[source[i]] : value;
}

template <class T>
void pad_rows(const T* in, T* out, const Dims& input, const std::vector<std::vector<int64_t>>& source, const T& value) {
  size_t rank = input.size();
  Dims strides = row_major_strides(input), position(rank, 0);
  auto length = static_cast<int64_t>(source.back().size());
  int64_t rows = 1;
  for (size_t axis = 0; axis + 1 < rank; ++axis) rows *= static_cast<int64_t>(source[axis].size());
  for (int64_t r = 0; r < rows; ++r, out += length) {
    const T* row = in;
    for (size_t axis = 0; axis + 1 < rank && row; ++axis) {
      int64_t at = source[axis][static_cast<size_t>(position[axis])];
      row = at < 0 ? nullptr : row + at * strides[axis];
    }
    fill_row(row, source.back(), value, out);
    for (size_t axis = rank - 1; axis-- > 0;) {
      if (++position[axis] < static_cast<int64_t>(source[axis].size())) break;
      position[axis] = 0;
    }
  }
}

/// The border's value in the type of x, zero when it is not given.
template <class T>
T border_value(const EvalContext& context, const Tensor& x) {
  if (!context.has(2)) return T{};
  const Tensor& given = context.in(2);
  if (given.dtype() != x.dtype() || given.size() != 1)
    context.fail(fmt::format("value is {}{}, expected one {}", name_of(given.dtype()), to_string(given.dims()),
                             name_of(x.dtype())));
  if constexpr (std::is_same_v<T, std::string>) {
    return given.strings()[0];
  } else {
    T value;
    std::memcpy(&value, given.raw(), sizeof(T));
    return value;
  }
}

}  // namespace

void Pad::infer(InferContext& context) const {
  check_mode(context, mode);
  const Shape& x = context.shape(0);
  if (!x.ranked) return context.set_output(0, context.dtype(0), Shape());
  auto pads = known_ints(context, 1), axes = known_ints(context, 3);
  if (!pads || (context.has_input(3) && !axes)) return context.set_output(0, context.dtype(0), unknown_sizes(x.rank()));
  Border border = resolve(context, *pads, axes, x.dims.size());
  Shape result = x;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (x[i].known()) result[i] = padded(context, border, i, x[i].value);
    else if (border.begin[i] != 0 || border.end[i] != 0) result[i] = Dim();
  }
  context.set_output(0, context.dtype(0), result);
}

void Pad::evaluate(EvalContext& context) const {
  check_mode(context, mode);
  const Tensor& x = context.in(0);
  std::optional<std::vector<int64_t>> axes;
  if (context.has(3)) axes = int_list(context, 3);
  size_t rank = x.dims().size();
  Border border = resolve(context, int_list(context, 1), axes, rank);
  Dims dims;
  for (size_t i = 0; i < rank; ++i) dims.push_back(padded(context, border, i, x.dims()[i]));
  if (rank == 0) return context.set(0, x);
  move_elements(context, 0, x, dims, [&]<class T>(const T* in, T* out) {
    if (element_count(dims) == 0) return;
    std::vector<std::vector<int64_t>> source;
    for (size_t i = 0; i < rank; ++i) {
      if (x.dims()[i] == 0 && mode != "constant")
        context.fail(fmt::format("axis {} is empty and cannot be padded in mode {}", i, mode));
      source.push_back(pad_sources(mode, border.begin[i], x.dims()[i], dims[i]));
    }
    pad_rows(in, out, x.dims(), source, border_value<T>(context, x));
  });
}

HONE_DEFINE_OP(Pad)

}  // namespace hone::ops
