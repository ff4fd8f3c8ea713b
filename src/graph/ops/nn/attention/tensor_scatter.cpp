#include <fmt/format.h>

#include "graph/ops/axis.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// Writes new keys or values into a cache. Inputs: past_cache [batch, ...], update (the same sizes but on `axis`),
/// write_indices [batch] (optional: where on `axis` the update of each sample begins; 0).
struct TensorScatter : OpOf<TensorScatter> {
  int64_t axis = -2;
  std::string mode = "linear";  ///< or circular: past the end the update goes on at the begin

  const char* type() const override { return "TensorScatter"; }
  OpSpec spec() const override {
    return {.min_inputs = 2,
            .max_inputs = 3,
            .traits = 0u | Trait::scale_preserving,
            .summary = "y = cache with update written from write_indices on"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("axis", axis);
    visitor.field("mode", mode);
  }

  void infer(InferContext& context) const override {
    const Shape &cache = context.shape(0), &update = context.shape(1);
    if (cache.ranked && update.ranked) check(context, cache, update);
    context.set_output(0, context.dtype(0), cache);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor &cache = context.in(0), &update = context.in(1);
    size_t at = check(context, Shape(cache.dims()), Shape(update.dims()));
    if (cache.dtype() != update.dtype())
      context.fail(fmt::format("cache is {}, update is {}", name_of(cache.dtype()), name_of(update.dtype())));
    int64_t batch = cache.dim(0);
    std::vector<int64_t> begin = int_list(context, 2, std::vector<int64_t>(static_cast<size_t>(batch), 0));
    AxisView to(cache.dims(), at), from(update.dims(), at);
    if (static_cast<int64_t>(begin.size()) != batch)
      context.fail(fmt::format("has {} write_indices for {} samples", begin.size(), batch));
    for (int64_t index : begin)
      if (index < 0 || (mode == "linear" ? index + from.size > to.size : to.size > 0 && index >= to.size))
        context.fail(fmt::format("write index {} for {} steps is outside the cache of {}", index, from.size, to.size));
    move_elements(context, 0, cache, cache.dims(), [&]<class T>(const T* in, T* out) {
      std::copy(in, in + cache.size(), out);
      auto source = [&]() -> const T* {
        if constexpr (std::is_same_v<T, std::string>)
          return update.strings().data();
        else
          return static_cast<const T*>(update.raw());
      }();
      int64_t outer_of_sample = batch > 0 ? to.outer / batch : 1;
      for (int64_t outer = 0; outer < to.outer; ++outer)
        for (int64_t i = 0; i < from.size; ++i, source += from.inner) {
          int64_t row = (begin[static_cast<size_t>(outer / outer_of_sample)] + i) % to.size;
          std::copy(source, source + from.inner, out + (outer * to.size + row) * to.inner);
        }
    });
  }

 private:
  template <class Context>
  size_t check(Context& context, const Shape& cache, const Shape& update) const {
    if (mode != "linear" && mode != "circular") context.fail("mode is '" + mode + "', expected linear or circular");
    size_t at = front_axis(context, axis, cache.rank());
    bool fits = at > 0 && cache.rank() == update.rank();
    for (size_t i = 0; fits && i < cache.dims.size(); ++i) {
      const Dim &a = cache[i], &b = update[i];
      fits = !a.known() || !b.known() || (i == at ? b.value <= a.value : a == b);
    }
    if (at == 0) context.fail("axis is the batch");
    if (!fits)
      context.fail(
          fmt::format("update {} does not fit into the cache {} on axis {}", to_string(update), to_string(cache), at));
    return at;
  }
};

HONE_DEFINE_OP(TensorScatter)

}  // namespace hone::ops
