#include <numeric>

#include "graph/ops/axis.hpp"
#include "graph/ops/index/indices.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

namespace {

/// What of x is kept, and where everything went.
struct Distinct {
  std::vector<int64_t> first;    ///< position of the first slice of each kind, in the order of the output
  std::vector<int64_t> inverse;  ///< for each slice of x its kind
  std::vector<int64_t> counts;   ///< slices of each kind
};

/// -1, 0 or 1. NaN is larger than any number and equal to itself.
template <class T>
int compare(const T& a, const T& b) {
  if constexpr (!std::is_same_v<T, std::string>) {
    bool a_nan = is_nan(static_cast<Wide<T>>(a)), b_nan = is_nan(static_cast<Wide<T>>(b));
    if (a_nan || b_nan) return a_nan - b_nan;
  }
  return b < a ? 1 : a < b ? -1 : 0;
}

/// Slices are compared element by element.
template <class T>
int compare_slices(const T* x, const AxisView& view, int64_t a, int64_t b) {
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      int64_t begin = o * view.size * view.inner + i;
      if (int order = compare(x[begin + a * view.inner], x[begin + b * view.inner])) return order;
    }
  return 0;
}

template <class T>
Distinct find_distinct(const T* x, const AxisView& view, bool sorted) {
  std::vector<int64_t> order(static_cast<size_t>(view.size));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return compare_slices(x, view, a, b) < 0; });
  std::vector<std::vector<int64_t>> kinds;  // the slices of each, ascending
  for (int64_t slice : order) {
    if (kinds.empty() || compare_slices(x, view, kinds.back()[0], slice) != 0) kinds.emplace_back();
    kinds.back().push_back(slice);
  }
  if (!sorted) std::sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
  Distinct result;
  result.inverse.resize(order.size());
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    result.first.push_back(kinds[kind][0]);
    result.counts.push_back(static_cast<int64_t>(kinds[kind].size()));
    for (int64_t slice : kinds[kind]) result.inverse[static_cast<size_t>(slice)] = static_cast<int64_t>(kind);
  }
  return result;
}

}  // namespace

/// The slices of x along `axis` (without it: the elements of x in a row) that differ. Outputs: y, and as i64 the
/// position of each in x, the position of each slice of x in y, how often each occurs.
struct Unique : OpOf<Unique> {
  std::optional<int64_t> axis;
  int64_t sorted = 1;  ///< ascending; 0: in the order of x

  const char* type() const override { return "Unique"; }
  OpSpec spec() const override {
    return {.max_outputs = 4, .traits = Trait::data_dependent | Trait::scale_preserving,
            .summary = "y, indices, inverse, counts = the slices of x that differ"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("sorted", sorted);
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    Shape result = axis ? x : Shape{Dim()};
    Dim slices;
    if (axis && x.ranked) {
      size_t at = front_axis(context, *axis, x.rank());
      slices = x[at];
      result[at] = Dim();
    } else if (x.ranked) {
      slices = product(x.dims);
    }
    context.set_output(0, context.dtype(0), result);
    context.set_output(1, DType::i64, Shape{Dim()});
    context.set_output(2, DType::i64, Shape{slices});
    context.set_output(3, DType::i64, Shape{Dim()});
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& given = context.in(0);
    Tensor x = axis ? given : given.reshaped({given.size()});
    size_t at = axis ? front_axis(context, *axis, x.rank()) : 0;
    AxisView view(x.dims(), at);
    Distinct found;
    if (x.dtype() == DType::string) found = find_distinct(x.strings().data(), view, sorted != 0);
    else
      dispatch(x.dtype(), [&](auto tag) {
        found = find_distinct(static_cast<const decltype(tag)*>(x.raw()), view, sorted != 0);
      });
    Dims dims = x.dims();
    dims[at] = static_cast<int64_t>(found.first.size());
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
      for (int64_t o = 0; o < view.outer; ++o)
        for (int64_t slice : found.first) {
          const auto* from = in + (o * view.size + slice) * view.inner;
          out = std::copy(from, from + view.inner, out);
        }
    });
    const std::vector<int64_t>* lists[] = {&found.first, &found.inverse, &found.counts};
    for (size_t i = 1; i < context.output_count() && i < 4; ++i) {
      const std::vector<int64_t>& list = *lists[i - 1];
      context.set(i, Tensor::of<int64_t>({static_cast<int64_t>(list.size())}, list));
    }
  }
};

HONE_DEFINE_OP(Unique)

}  // namespace hone::ops
