#include <fmt/format.h>

#include <cstring>

#include "graph/op.hpp"

namespace hone::ops {

/// y has the bits of x, read as another element type of the same width.
struct BitCast : OpOf<BitCast> {
  DType to = DType::undefined;

  const char* type() const override { return "BitCast"; }
  OpSpec spec() const override {
    return {.traits = 0u | Trait::layout_agnostic, .summary = "the bits of x read as another type"};
  }
  void attributes(AttributeVisitor& visitor) override { visitor.field("to", to); }
  void infer(InferContext& context) const override {
    check(context, context.dtype(0));
    context.set_output(0, to, context.shape(0));
  }
  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    check(context, x.dtype());
    Tensor& y = context.out(0, to, x.dims());
    std::memcpy(y.mutable_raw(), x.raw(), static_cast<size_t>(x.size()) * size_of(to));
  }

 private:
  template <class Context>
  void check(Context& context, DType from) const {
    if (size_of(to) == 0)
      context.fail(fmt::format("attribute to is {}, which is not a type that Hone has", static_cast<int>(to)));
    if (from != DType::undefined && size_of(from) != size_of(to))
      context.fail(fmt::format("reads {} as {}, which is not as wide; use Cast to convert the values", name_of(from),
                               name_of(to)));
  }
};

HONE_DEFINE_OP(BitCast)

}  // namespace hone::ops
