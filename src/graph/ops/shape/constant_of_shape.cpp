#include <cstring>

#include <fmt/format.h>

#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// y has the sizes in input 0, every element is `value` (default: 0 in f32).
struct ConstantOfShape : OpOf<ConstantOfShape> {
  Tensor value;

  const char* type() const override { return "ConstantOfShape"; }
  OpSpec spec() const override { return {.summary = "y = value everywhere, with the sizes in input 0"}; }
  void attributes(AttributeVisitor& visitor) override { visitor.field("value", value); }

  void infer(InferContext& context) const override {
    if (value.defined() && value.size() != 1)
      context.fail("value has shape " + to_string(value.dims()) + ", expected one element");
    DType dtype = value.defined() ? value.dtype() : DType::f32;
    auto sizes = known_dims(context, 0);
    if (const Tensor* constant = context.constant(0)) check(context, constant->to_ints());
    if (sizes) {
      context.set_output(0, dtype, Shape(*sizes));
      propagate_value(context, *sizes);
      return;
    }
    const Shape& list = context.shape(0);
    bool rank_known = list.ranked && list.rank() == 1 && list[0].known() && list[0].value <= 64;
    context.set_output(0, dtype, rank_known ? unknown_sizes(list[0].value) : Shape());
  }

  void evaluate(EvalContext& context) const override {
    Dims dims = int_list(context, 0);
    check(context, dims);
    Tensor element = value.defined() ? value : Tensor::scalar(0.0f);
    if (element.size() != 1) context.fail("value has shape " + to_string(value.dims()) + ", expected one element");
    move_elements(context, 0, element, dims,
                  [&](const auto* in, auto* out) { std::fill(out, out + element_count(dims), *in); });
  }

 private:
  template <class Context>
  static void check(Context& context, const Dims& dims) {
    for (int64_t size : dims)
      if (size < 0) context.fail("shape " + to_string(dims) + " has a negative size");
  }
  /// Exporters make lists of ones this way and multiply them into a shape.
  void propagate_value(InferContext& context, const std::vector<Dim>& sizes) const {
    if (!value.defined() || !is_integer(value.dtype()) || value.size() != 1 || sizes.size() > 1) return;
    if (!sizes.empty() && (!sizes[0].known() || sizes[0].value > 64)) return;
    int64_t number = value.to_ints()[0];
    if (number < 0) return;
    context.set_dims_value(0, std::vector<Dim>(sizes.empty() ? 1 : static_cast<size_t>(sizes[0].value), Dim(number)));
  }
};

HONE_DEFINE_OP(ConstantOfShape)

}  // namespace hone::ops
