#include "graph/ops/nn/resize.hpp"

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "graph/graph.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/resize_axis.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

OpSpec Resize::spec() const {
  return {.min_inputs = 1, .max_inputs = 4, .traits = mode == "nearest" ? 0u | Trait::scale_preserving : 0u,
          .summary = "y = x resampled to other sizes"};
}

void Resize::attributes(AttributeVisitor& visitor) {
  visitor.field("antialias", antialias);
  visitor.field("axes", axes);
  visitor.field("coordinate_transformation_mode", coordinate_transformation_mode);
  visitor.field("cubic_coeff_a", cubic_coeff_a);
  visitor.field("exclude_outside", exclude_outside);
  visitor.field("extrapolation_value", extrapolation_value);
  visitor.field("keep_aspect_ratio_policy", keep_aspect_ratio_policy);
  visitor.field("mode", mode);
  visitor.field("nearest_mode", nearest_mode);
}

namespace {

std::vector<double> doubles(const Tensor& tensor) {
  Tensor wide = tensor.cast(DType::f64);
  return {wide.data<double>().begin(), wide.data<double>().end()};
}

/// Sizes when some are symbolic: each named axis by itself, as long as no aspect ratio ties them together.
Shape partly_known(const InferContext& context, const Resize& op, const Shape& x, const ResizeInputs& inputs) {
  std::vector<int64_t> named = op.axes;
  if (named.empty())
    for (int i = 0; i < x.rank(); ++i) named.push_back(i);
  std::vector<size_t> front = front_axes(context, named, x.rank());
  auto sizes = known_dims(context, 3);
  Shape result = x;
  for (size_t i = 0; i < front.size(); ++i) {
    Dim& dim = result[front[i]];
    if (sizes && sizes->size() == front.size() && op.keep_aspect_ratio_policy == "stretch") dim = (*sizes)[i];
    else if (inputs.scales.size() != front.size() || (!dim.known() && inputs.scales[i] != 1)) dim = Dim();
    else if (dim.known()) dim = scaled_size(context.node.place(), dim.value, inputs.scales[i]);
  }
  return result;
}

/// y = x resampled along one axis; x is [outer, input, inner].
template <class T>
void resample(const T* x, const ResizeTable& table, const ResizeAxis& axis, int64_t outer, int64_t inner, T* y) {
  for (int64_t o = 0; o < outer; ++o, x += axis.input * inner)
    for (int64_t i = 0; i < axis.output; ++i, y += inner) {
      const int64_t* index = table.index.data() + i * table.taps;
      const double* weight = table.weight.data() + i * table.taps;
      std::fill(y, y + inner, T(0));
      for (int64_t tap = 0; tap < table.taps; ++tap) {
        const T* row = x + index[tap] * inner;
        auto factor = static_cast<T>(weight[tap]);
        if (factor == 0) continue;  // a filter's zero must not pick up an infinity
        for (int64_t k = 0; k < inner; ++k) y[k] += factor * row[k];
      }
    }
}

/// Calls visit(element) for every element of an output with these sizes that lies outside on some axis.
template <class F>
void for_each_outside(const Dims& dims, const std::vector<ResizeTable>& tables, F visit) {
  Dims strides = row_major_strides(dims);
  for (int64_t i = 0, count = element_count(dims); i < count; ++i)
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      const auto& outside = tables[axis].outside;
      if (outside.empty() || !outside[static_cast<size_t>(i / strides[axis] % dims[axis])]) continue;
      visit(i);
      break;
    }
}

void resize_nearest(EvalContext& context, const Tensor& x, const Dims& dims, const std::vector<ResizeTable>& tables,
                    float extrapolation_value) {
  if (x.dtype() == DType::string) context.fail("cannot resize strings");
  Tensor border = Tensor::scalar(extrapolation_value).cast(x.dtype());
  Dims strides = row_major_strides(x.dims());
  move_elements(context, 0, x, dims, [&]<class T>(const T* in, T* out) {
    if constexpr (!std::is_same_v<T, std::string>) {
      Dims none(dims.size(), 0), position(dims.size(), 0);
      const std::vector<int64_t>& columns = tables.back().index;
      for_each_row(dims, none, [&](int64_t first, int64_t) {
        const T* row = in;
        for (size_t axis = 0; axis + 1 < dims.size(); ++axis)
          row += tables[axis].index[static_cast<size_t>(position[axis])] * strides[axis];
        for (size_t i = 0; i < columns.size(); ++i) out[first + static_cast<int64_t>(i)] = row[columns[i]];
        for (size_t axis = dims.size() - 1; axis-- > 0;) {
          if (++position[axis] < dims[axis]) break;
          position[axis] = 0;
        }
      });
      T value;
      std::memcpy(&value, border.raw(), sizeof(T));
      for_each_outside(dims, tables, [&](int64_t i) { out[i] = value; });
    }
  });
}

/// Linear and cubic: one axis after the other, in f32 or f64; integers are rounded half to even at the end.
template <class T>
void resize_smooth(EvalContext& context, const Tensor& x, const Dims& dims, const std::vector<ResizeAxis>& axes,
                   const std::vector<ResizeTable>& tables, float extrapolation_value) {
  Tensor value = x.cast(dtype_of<T>());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].identity) continue;
    Dims next = value.dims();
    next[i] = axes[i].output;
    check_allocation(context.place(), dtype_of<T>(), next);
    Tensor result(dtype_of<T>(), next);
    resample(pointer<T>(value), tables[i], axes[i], count_between(next, 0, i), count_between(next, i + 1, next.size()),
             result.mutable_data<T>().data());
    value = std::move(result);
  }
  if (value.raw() == x.raw()) value = value.clone();
  T* out = value.mutable_data<T>().data();
  for_each_outside(dims, tables, [&](int64_t i) { out[i] = static_cast<T>(extrapolation_value); });
  if (!is_float(x.dtype()))
    for (int64_t i = 0; i < value.size(); ++i) out[i] = std::nearbyint(out[i]);
  context.set(0, value.cast(x.dtype()));
}

}  // namespace

void Resize::infer(InferContext& context) const {
  const Shape& x = context.shape(0);
  check_resize_modes(context.node.place(), *this);
  bool no_scales = !context.has_input(2) || (context.constant(2) && context.constant(2)->size() == 0);
  bool no_sizes = !context.has_input(3) || (context.constant(3) && context.constant(3)->size() == 0);
  if (no_scales && no_sizes) context.fail("has neither scales nor sizes", "give exactly one of them");
  if (!x.ranked) return context.set_output(0, context.dtype(0), Shape());
  ResizeInputs inputs;
  const Tensor *roi = context.constant(1), *scales = context.constant(2);
  if (roi) inputs.roi = doubles(*roi);
  if (scales) inputs.scales = scales->to_floats();
  if (auto sizes = known_ints(context, 3)) inputs.sizes = *sizes;
  bool crops = coordinate_transformation_mode == "tf_crop_and_resize";
  if (crops && inputs.roi.empty())
    inputs.roi.assign(2 * (axes.empty() ? x.dims.size() : axes.size()), 0);  // no matter here
  bool complete = x.is_static() && (!inputs.scales.empty() || !inputs.sizes.empty());
  if (!complete) return context.set_output(0, context.dtype(0), partly_known(context, *this, x, inputs));
  Shape result = x;
  std::vector<ResizeAxis> resolved = resize_axes(context.node.place(), *this, x.concrete(), inputs);
  for (size_t i = 0; i < resolved.size(); ++i) result[i] = resolved[i].output;
  context.set_output(0, context.dtype(0), result);
}

void Resize::evaluate(EvalContext& context) const {
  const Tensor& x = context.in(0);
  ResizeInputs inputs;
  if (context.has(1)) inputs.roi = doubles(context.in(1));
  if (context.has(2)) inputs.scales = context.in(2).to_floats();
  if (context.has(3)) inputs.sizes = int_list(context, 3);
  std::vector<ResizeAxis> resolved = resize_axes(context.place(), *this, x.dims(), inputs);
  Dims dims;
  for (const ResizeAxis& axis : resolved) dims.push_back(axis.output);
  check_allocation(context.place(), x.dtype(), dims);
  if (dims.empty()) return context.set(0, x);
  if (element_count(dims) == 0) {
    context.out(0, x.dtype(), dims);
    return;
  }
  bool is_nearest = mode == "nearest";
  std::vector<ResizeTable> tables(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    double taps = 4 / std::min(resolved[i].scale, 1.0) * static_cast<double>(resolved[i].output);
    if (taps > 1e9) context.fail(fmt::format("scale {} of axis {} is not sensible", resolved[i].scale, i));
    if (is_nearest || !resolved[i].identity) tables[i] = resize_table(*this, resolved[i]);
  }
  if (is_nearest) return resize_nearest(context, x, dims, tables, extrapolation_value);
  if (x.dtype() == DType::f64) resize_smooth<double>(context, x, dims, resolved, tables, extrapolation_value);
  else resize_smooth<float>(context, x, dims, resolved, tables, extrapolation_value);
}

HONE_DEFINE_OP(Resize)

}  // namespace hone::ops
