#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// Cuts or fills up (with zeros) axes to given sizes, around their middle. Inputs: x, shape (one size for each of
/// axes).
struct CenterCropPad : OpOf<CenterCropPad> {
  std::vector<int64_t> axes;  ///< empty: all

  const char* type() const override { return "CenterCropPad"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .summary = "y = the middle of x, cut or filled up to a size"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("axes", axes); }

  void infer(InferContext& context) const override {
    Shape result = context.shape(0);
    if (!result.ranked) return context.set_output(0, context.dtype(0), result);
    std::vector<size_t> front = all_axes(context, result.rank());
    auto sizes = known_dims(context, 1);
    if (sizes) check(context, front, sizes->size());
    for (size_t i = 0; i < front.size(); ++i) result[front[i]] = sizes ? (*sizes)[i] : Dim();
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    std::vector<size_t> front = all_axes(context, x.rank());
    std::vector<int64_t> sizes = int_list(context, 1);
    check(context, front, sizes.size());
    Dims dims = x.dims(), window = x.dims();  // of y, and of the part that x and y share
    Dims from(dims.size(), 0), to(dims.size(), 0);
    for (size_t i = 0; i < front.size(); ++i) {
      size_t axis = front[i];
      if (sizes[i] < 0) context.fail("shape is " + to_string(Dims(sizes)) + ", expected no negative size");
      dims[axis] = sizes[i];
      window[axis] = std::min(sizes[i], x.dims()[axis]);
      from[axis] = (x.dims()[axis] - window[axis]) / 2;
      to[axis] = (dims[axis] - window[axis]) / 2;
    }
    Dims in_strides = row_major_strides(x.dims()), out_strides = row_major_strides(dims);
    int64_t in_begin = 0, out_begin = 0;
    for (size_t i = 0; i < dims.size(); ++i) {
      in_begin += from[i] * in_strides[i];
      out_begin += to[i] * out_strides[i];
    }
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
      std::fill(out, out + element_count(dims), std::decay_t<decltype(*out)>{});
      int64_t length = window.empty() ? 1 : window.back();
      std::vector<int64_t> starts;
      for_each_row(window, in_strides, [&](int64_t, int64_t offset) { starts.push_back(in_begin + offset); });
      size_t row = 0;
      for_each_row(window, out_strides, [&](int64_t, int64_t offset) {
        const auto* source = in + starts[row++];
        std::copy(source, source + length, out + out_begin + offset);
      });
    });
  }

 private:
  template <class Context>
  std::vector<size_t> all_axes(Context& context, int64_t rank) const {
    if (!axes.empty()) return front_axes(context, axes, rank);
    std::vector<size_t> all(static_cast<size_t>(rank));
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }
  template <class Context>
  static void check(Context& context, const std::vector<size_t>& front, size_t sizes) {
    if (front.size() != sizes) context.fail(fmt::format("shape has {} entries for {} axes", sizes, front.size()));
  }
};

HONE_DEFINE_OP(CenterCropPad)

}  // namespace hone::ops
