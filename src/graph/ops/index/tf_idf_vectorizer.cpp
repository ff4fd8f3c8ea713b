#include <map>

#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// Counts n-grams: y[.., ngram_indexes[g]] says how often n-gram g of the pool occurs in a row of x (numbers or
/// strings).
struct TfIdfVectorizer : OpOf<TfIdfVectorizer> {
  int64_t min_gram_length = 1, max_gram_length = 1;
  int64_t max_skip_count = 0;  ///< up to so many elements may lie between neighbors of an n-gram
  std::string mode = "TF";     ///< TF: counts; IDF: the weight of those that occur; TFIDF: count times weight
  std::vector<int64_t> ngram_counts, ngram_indexes,
      pool_int64s;  ///< ngram_counts[n - 1]: where n-grams begin in the pool
  std::vector<std::string> pool_strings;
  std::vector<float> weights;  ///< one an n-gram, 1 when absent

  const char* type() const override { return "TfIdfVectorizer"; }
  OpSpec spec() const override { return {.summary = "y = how often each n-gram of a pool occurs in x"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("max_gram_length", max_gram_length);
    visitor.field("max_skip_count", max_skip_count);
    visitor.field("min_gram_length", min_gram_length);
    visitor.field("mode", mode);
    visitor.field("ngram_counts", ngram_counts);
    visitor.field("ngram_indexes", ngram_indexes);
    visitor.field("pool_int64s", pool_int64s);
    visitor.field("pool_strings", pool_strings);
    visitor.field("weights", weights);
  }

  void infer(InferContext& context) const override {
    check(context);
    Shape result = context.shape(0);
    if (result.ranked) {
      check_rank(context, result.rank());
      result.dims.back() = columns();
    }
    context.set_output(0, DType::f32, result);
  }

  void evaluate(EvalContext& context) const override {
    check(context);
    const Tensor& x = context.in(0);
    check_rank(context, x.rank());
    Dims dims = x.dims();
    dims.back() = columns();
    auto y = context.out(0, DType::f32, dims).mutable_data<float>();
    std::fill(y.begin(), y.end(), 0.0f);
    if (x.dtype() == DType::string) return count_all(x.strings(), pool_strings, x.dim(-1), y);
    if (x.dtype() != DType::i32 && x.dtype() != DType::i64)
      context.fail(fmt::format("input is {}, expected i32, i64 or string", name_of(x.dtype())), "insert a Cast");
    count_all(x.to_ints(), pool_int64s, x.dim(-1), y);
  }

 private:
  int64_t columns() const {
    return ngram_indexes.empty() ? 0 : *std::max_element(ngram_indexes.begin(), ngram_indexes.end()) + 1;
  }

  template <class Context>
  static void check_rank(Context& context, int rank) {
    if (rank != 1 && rank != 2) context.fail(fmt::format("input has {} axes, expected 1 or 2", rank));
  }

  template <class Context>
  void check(Context& context) const {
    if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
      context.fail("mode is '" + mode + "', expected TF, IDF or TFIDF");
    if (min_gram_length < 1 || max_gram_length < min_gram_length || max_skip_count < 0 || max_skip_count > 1'000'000)
      context.fail(fmt::format("n-grams of {} to {} elements with {} skipped are not sensible", min_gram_length,
                               max_gram_length, max_skip_count));
    size_t pool = std::max(pool_int64s.size(), pool_strings.size());
    for (size_t i = 0; i < ngram_counts.size(); ++i)
      if (ngram_counts[i] < (i ? ngram_counts[i - 1] : 0) || ngram_counts[i] > static_cast<int64_t>(pool))
        context.fail(fmt::format("ngram_counts {} does not cut a pool of {} elements", to_string(ngram_counts), pool));
    for (int64_t index : ngram_indexes)
      if (index < 0 || index > 100'000'000) context.fail(fmt::format("ngram_indexes has {}", index));
    if (!weights.empty() && weights.size() != ngram_indexes.size())
      context.fail(fmt::format("{} weights for {} n-grams", weights.size(), ngram_indexes.size()));
  }

  /// The number of each n-gram of the pool, in its order.
  template <class T>
  std::map<std::vector<T>, size_t> numbered(const std::vector<T>& pool) const {
    std::map<std::vector<T>, size_t> result;
    size_t number = 0;
    for (size_t n = 1; n <= ngram_counts.size(); ++n) {
      auto begin = static_cast<size_t>(ngram_counts[n - 1]);
      size_t end = n < ngram_counts.size() ? static_cast<size_t>(ngram_counts[n]) : pool.size();
      for (; begin + n <= std::min(end, pool.size()); begin += n, ++number)
        result.emplace(std::vector<T>(pool.begin() + static_cast<std::ptrdiff_t>(begin),
                                      pool.begin() + static_cast<std::ptrdiff_t>(begin + n)), number);
    }
    return result;
  }

  template <class T>
  void count_all(const std::vector<T>& x, const std::vector<T>& pool, int64_t length, std::span<float> y) const {
    std::map<std::vector<T>, size_t> numbers = numbered(pool);
    auto width = static_cast<size_t>(columns());
    for (size_t row = 0; length > 0 && row < x.size() / static_cast<size_t>(length); ++row) {
      const T* line = x.data() + row * static_cast<size_t>(length);
      std::span<float> out = y.subspan(row * width, width);
      for (int64_t n = min_gram_length; n <= std::min(max_gram_length, length); ++n)
        for (int64_t step = 1; step <= (n == 1 ? 1 : max_skip_count + 1) && (n - 1) * step < length; ++step)
          count_row(line, length, n, step, numbers, out);
    }
  }

  template <class T>
  void count_row(const T* line, int64_t length, int64_t n, int64_t step,
                 const std::map<std::vector<T>, size_t>& numbers, std::span<float> out) const {
    std::vector<T> gram(static_cast<size_t>(n));
    for (int64_t begin = 0; begin + (n - 1) * step < length; ++begin) {
      for (int64_t i = 0; i < n; ++i) gram[static_cast<size_t>(i)] = line[begin + i * step];
      auto found = numbers.find(gram);
      if (found == numbers.end() || found->second >= ngram_indexes.size()) continue;
      float weight = weights.empty() || mode == "TF" ? 1 : weights[found->second];
      float& target = out[static_cast<size_t>(ngram_indexes[found->second])];
      target = mode == "IDF" ? weight : target + weight;
    }
  }
};

HONE_DEFINE_OP(TfIdfVectorizer)

}  // namespace hone::ops
