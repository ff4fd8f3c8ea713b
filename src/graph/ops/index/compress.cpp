#include "graph/ops/index/indices.hpp"

namespace hone::ops {

/// The slices of x along `axis` (without it: the elements of x in a row) where the condition is true. Inputs: x,
/// condition (bool, 1-D; what it does not reach is left out).
struct Compress : OpOf<Compress> {
  std::optional<int64_t> axis;

  const char* type() const override { return "Compress"; }
  OpSpec spec() const override {
    return {.min_inputs = 2, .max_inputs = 2, .traits = Trait::data_dependent | Trait::scale_preserving,
            .summary = "y = the slices of x where the condition is true"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("axis", axis); }

  void infer(InferContext& context) const override {
    check_condition(context, context.dtype(1));
    const Shape& x = context.shape(0);
    const Tensor* condition = context.constant(1);
    Dim picked;
    if (condition && condition->rank() == 1) {
      auto wanted = condition->data<bool>();
      picked = static_cast<int64_t>(std::count(wanted.begin(), wanted.end(), true));
    }
    Shape result = axis ? x : Shape{picked};
    if (axis && x.ranked) result[front_axis(context, *axis, x.rank())] = picked;
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& condition = context.in(1);
    check_condition(context, condition.dtype());
    if (condition.rank() != 1)
      context.fail("condition has shape " + to_string(condition.dims()) + ", expected one axis");
    const Tensor& given = context.in(0);
    Tensor x = axis ? given : given.reshaped({given.size()});
    size_t at = axis ? front_axis(context, *axis, x.rank()) : 0;
    int64_t size = x.dims()[at];
    std::vector<int64_t> picks;
    auto wanted = condition.data<bool>();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i]) continue;
      if (static_cast<int64_t>(i) >= size)
        context.fail(fmt::format("condition picks position {} of an axis of size {}", i, size));
      picks.push_back(static_cast<int64_t>(i));
    }
    Dims dims = x.dims();
    dims[at] = static_cast<int64_t>(picks.size());
    int64_t outer = count_between(x.dims(), 0, at), inner = count_between(x.dims(), at + 1, x.dims().size());
    move_elements(context, 0, x, dims, [&](const auto* in, auto* out) {
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t pick : picks) {
          const auto* slice = in + (o * size + pick) * inner;
          out = std::copy(slice, slice + inner, out);
        }
    });
  }

 private:
  template <class Context>
  static void check_condition(Context& context, DType dtype) {
    if (dtype != DType::boolean && dtype != DType::undefined)
      context.fail(fmt::format("condition is {}, expected bool", name_of(dtype)), "insert a Cast");
  }
};

HONE_DEFINE_OP(Compress)

}  // namespace hone::ops
