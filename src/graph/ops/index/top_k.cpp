#include <cmath>
#include <numeric>

#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// The k largest (or smallest) elements along `axis` and their positions; equal ones keep their order.
/// Inputs: x, k (one integer). Outputs: values, indices.
struct TopK : OpOf<TopK> {
  int64_t axis = -1;
  int64_t largest = 1;
  int64_t sorted = 1;  ///< the result is sorted in any case

  const char* type() const override { return "TopK"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .min_outputs = 2, .max_outputs = 2,
            .summary = "values, indices = the k largest elements along axis"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("largest", largest);
    visitor.field("sorted", sorted);
  }

  void infer(InferContext& context) const override {
    Shape result = context.shape(0);
    if (result.ranked) {
      size_t at = front_axis(context, axis, result.rank());
      auto count = known_ints(context, 1);
      if (count) checked_count(context, *count, result[at]);
      auto symbolic = context.dims_value(1);
      result[at] = count ? Dim((*count)[0]) : symbolic && symbolic->size() == 1 ? (*symbolic)[0] : Dim();
    }
    context.set_output(0, context.dtype(0), result);
    context.set_output(1, DType::i64, result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    size_t at = front_axis(context, axis, x.rank());
    int64_t size = x.dims()[at], count = checked_count(context, int_list(context, 1), size);
    int64_t outer = count_between(x.dims(), 0, at), inner = count_between(x.dims(), at + 1, x.dims().size());
    Dims dims = x.dims();
    dims[at] = count;
    Tensor& values = context.out(0, x.dtype(), dims);
    Tensor& indices = context.out(1, DType::i64, dims);
    int64_t* where = indices.mutable_data<int64_t>().data();
    dispatch(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* in = static_cast<const T*>(x.raw());
      T* out = static_cast<T*>(values.mutable_raw());
      std::vector<int64_t> order(static_cast<size_t>(size));
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          const T* line = in + o * size * inner + i;
          std::iota(order.begin(), order.end(), 0);
          std::partial_sort(order.begin(), order.begin() + count, order.end(),
                            [&](int64_t a, int64_t b) { return before(line[a * inner], line[b * inner], a < b); });
          for (int64_t k = 0; k < count; ++k) {
            int64_t target = (o * count + k) * inner + i, source = order[static_cast<size_t>(k)];
            out[target] = line[source * inner];
            where[target] = source;
          }
        }
    });
  }

 private:
  /// A strict order even with NaN, which counts as the largest.
  template <class T>
  bool before(T a, T b, bool first) const {
    if constexpr (!std::is_integral_v<T>) {
      bool a_nan = std::isnan(static_cast<double>(a)), b_nan = std::isnan(static_cast<double>(b));
      if (a_nan || b_nan) return a_nan == b_nan ? first : a_nan == (largest != 0);
    }
    if (a > b) return largest != 0;
    if (a < b) return largest == 0;
    return first;
  }
  template <class Context>
  static int64_t checked_count(Context& context, const std::vector<int64_t>& given, const Dim& size) {
    if (given.size() != 1) context.fail(fmt::format("k has {} elements, expected one", given.size()));
    if (given[0] < 0 || (size.known() && given[0] > size.value))
      context.fail(fmt::format("k is {}, the axis has size {}", given[0], to_string(size)));
    return given[0];
  }
};

HONE_DEFINE_OP(TopK)

}  // namespace hone::ops
