#include <cmath>
#include <numeric>

#include "graph/ops/index/indices.hpp"
#include "graph/ops/index/rank_key.hpp"

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
    if (size > UINT32_MAX) context.fail(fmt::format("the axis has size {}, expected less than 2^32", size));
    Dims dims = x.dims();
    dims[at] = count;
    Tensor& values = context.out(0, x.dtype(), dims);
    Tensor& indices = context.out(1, DType::i64, dims);
    int64_t* where = indices.mutable_data<int64_t>().data();
    dispatch(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* in = static_cast<const T*>(x.raw());
      T* out = static_cast<T*>(values.mutable_raw());
      Lines<T> lines{in, out, where, size, count, inner};
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          if constexpr (sizeof(T) <= 4) by_key(lines, o, i);
          else by_comparison(lines, o, i);
        }
    });
  }

 private:
  template <class T>
  struct Lines {
    const T* in;
    T* out;
    int64_t* where;
    int64_t size, count, inner;
    const T* line(int64_t o, int64_t i) const { return in + o * size * inner + i; }
    void put(int64_t o, int64_t i, int64_t k, int64_t source) const {
      int64_t target = (o * count + k) * inner + i;
      out[target] = line(o, i)[source * inner];
      where[target] = source;
    }
  };

  /// Sorts numbers that hold the order of an element and its position. Few of many are found faster with a heap.
  template <class T>
  void by_key(const Lines<T>& lines, int64_t o, int64_t i) const {
    std::vector<uint64_t> keys(static_cast<size_t>(lines.size));
    const T* line = lines.line(o, i);
    for (int64_t k = 0; k < lines.size; ++k)
      keys[static_cast<size_t>(k)] = rank_key(line[k * lines.inner], largest != 0) << 32 | static_cast<uint64_t>(k);
    auto end = keys.begin() + lines.count;
    if (lines.count < lines.size / 64) {
      std::partial_sort(keys.begin(), end, keys.end());
    } else {
      if (end != keys.end()) std::nth_element(keys.begin(), end, keys.end());
      std::sort(keys.begin(), end);
    }
    for (int64_t k = 0; k < lines.count; ++k)
      lines.put(o, i, k, static_cast<int64_t>(keys[static_cast<size_t>(k)] & 0xffffffffu));
  }

  template <class T>
  void by_comparison(const Lines<T>& lines, int64_t o, int64_t i) const {
    std::vector<int64_t> order(static_cast<size_t>(lines.size));
    std::iota(order.begin(), order.end(), 0);
    const T* line = lines.line(o, i);
    std::partial_sort(order.begin(), order.begin() + lines.count, order.end(), [&](int64_t a, int64_t b) {
      return before(line[a * lines.inner], line[b * lines.inner], a < b);
    });
    for (int64_t k = 0; k < lines.count; ++k) lines.put(o, i, k, order[static_cast<size_t>(k)]);
  }

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
