#include <algorithm>

#include <fmt/format.h>

#include "graph/graph.hpp"
#include "graph/ops/nn/window.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// Puts the results of a MaxPool back to where they came from, with zeros elsewhere. Inputs: x, indices (the second
/// output of MaxPool), output_shape (optional: that of the tensor that was pooled). Without output_shape the sizes are
/// (x - 1) * stride + kernel - pads.
struct MaxUnpool : OpOf<MaxUnpool> {
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "MaxUnpool"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 3, .summary = "y[indices] = x, zeros elsewhere"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("kernel_shape", kernel_shape);
    visitor.field("pads", pads);
    visitor.field("strides", strides);
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    if (!x.ranked) return context.set_output(0, context.dtype(0), Shape());
    check_rank(context, x);
    Window window = resolve(context.node.place(), x.dims.size() - 2);
    Shape result{x[0], x[1]};
    for (size_t i = 0; i < window.rank(); ++i)
      result.dims.push_back(x[i + 2].known() ? Dim(unpooled(window, i, x[i + 2].value)) : Dim());
    if (context.has_input(2)) {
      auto given = known_dims(context, 2);
      result = given ? Shape(*given) : unknown_sizes(x.rank());
      if (result.rank() != x.rank())
        context.fail(fmt::format("output_shape has {} entries, expected {}", result.rank(), x.rank()));
    }
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &x = context.in(0), &indices = context.in(1);
    check_rank(context, Shape(x.dims()));
    if (indices.dims() != x.dims())
      context.fail(fmt::format("indices have shape {}, expected {} as the input", to_string(indices.dims()),
                               to_string(x.dims())));
    Window window = resolve(context.place(), x.dims().size() - 2);
    Dims inferred{x.dim(0), x.dim(1)};
    for (size_t i = 0; i < window.rank(); ++i) inferred.push_back(unpooled(window, i, x.dims()[i + 2]));
    Dims dims = int_list(context, 2, inferred);
    if (dims.size() != inferred.size())
      context.fail(fmt::format("output_shape has {} entries, expected {}", dims.size(), inferred.size()));
    for (const Dims& sizes : {inferred, dims})
      if (*std::min_element(sizes.begin(), sizes.end()) < 0)
        context.fail("the output would have shape " + to_string(sizes));
    check_allocation(context.place(), x.dtype(), dims);
    check_allocation(context.place(), x.dtype(), inferred);
    std::vector<int64_t> at = indices.to_ints();
    if (dims != inferred && !in_windows(window, x.dims(), dims, at)) place_in(inferred, dims, at);
    int64_t count = element_count(dims);
    for (int64_t index : at)
      if (index < 0 || index >= count)
        context.fail(fmt::format("index {} is outside the output {}", index, to_string(dims)));
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
      std::fill(out, out + count, std::decay_t<decltype(*out)>{});
      for (size_t i = 0; i < at.size(); ++i) out[at[i]] = in[i];
    });
  }

 private:
  template <class Context>
  static void check_rank(Context& context, const Shape& x) {
    if (x.rank() < 3) context.fail("input has shape " + to_string(x) + ", expected [N, C, spatial...]");
  }
  Window resolve(const std::string& place, size_t rank) const {
    static const std::string manual = "NOTSET";
    static const std::vector<int64_t> none;
    return resolve_window(place, {manual, kernel_shape, strides, none, pads}, Dims(rank, -1));
  }
  static int64_t unpooled(const Window& window, size_t i, int64_t size) {
    return (size - 1) * window.strides[i] + window.kernel[i] - window.pads_begin[i] - window.pads_end[i];
  }

  /// Position of a flat index.
  static Dims position(int64_t index, const Dims& dims) {
    Dims result(dims.size());
    for (size_t i = dims.size(); i-- > 0;) {
      result[i] = dims[i] > 0 ? index % dims[i] : 0;
      index = dims[i] > 0 ? index / dims[i] : index;
    }
    return result;
  }

  /// True when every index, read as one of a tensor with sizes `dims`, lies in the window of its element.
  static bool in_windows(const Window& window, const Dims& pooled, const Dims& dims, const std::vector<int64_t>& at) {
    int64_t count = element_count(dims);
    for (size_t k = 0; k < at.size(); ++k) {
      if (at[k] < 0 || at[k] >= count) return false;
      Dims from = position(static_cast<int64_t>(k), pooled), to = position(at[k], dims);
      if (from[0] != to[0] || from[1] != to[1]) return false;
      for (size_t i = 0; i < window.rank(); ++i) {
        int64_t inside = to[i + 2] - (from[i + 2] * window.strides[i] - window.pads_begin[i]);
        if (inside < 0 || inside >= window.kernel[i]) return false;
      }
    }
    return true;
  }

  /// Some files count indices in the inferred sizes although output_shape is larger: those elements keep their place.
  static void place_in(const Dims& inferred, const Dims& dims, std::vector<int64_t>& at) {
    int64_t count = element_count(inferred);
    Dims strides = row_major_strides(dims);
    for (int64_t& index : at) {
      if (index < 0 || index >= count) continue;
      Dims where = position(index, inferred);
      index = 0;
      for (size_t i = 0; i < dims.size(); ++i)
        index = where[i] < dims[i] && index >= 0 ? index + where[i] * strides[i] : -1;
    }
  }
};

HONE_DEFINE_OP(MaxUnpool)

}  // namespace hone::ops
