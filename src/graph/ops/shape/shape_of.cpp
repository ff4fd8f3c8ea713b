#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

namespace {
/// The part [start, end) of `dims`, with negative positions counted from the end and everything clamped.
template <class List>
List part(const List& dims, int64_t start, std::optional<int64_t> end) {
  auto rank = static_cast<int64_t>(dims.size());
  auto clamp = [&](int64_t at) { return std::min(std::max<int64_t>(at < 0 ? at + rank : at, 0), rank); };
  int64_t first = clamp(start), last = end ? clamp(*end) : rank;
  if (last <= first) return {};
  return {dims.begin() + first, dims.begin() + last};
}
}  // namespace

/// ONNX Shape; the struct has another name because hone::Shape is a type.
struct ShapeOf : OpOf<ShapeOf> {
  int64_t start = 0;
  std::optional<int64_t> end;

  const char* type() const override { return "Shape"; }
  OpSpec spec() const override { return {.summary = "y = the sizes of x, from start to end"}; }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("end", end);
    visitor.field("start", start);
  }
  void infer(InferContext& context) const override {
    const hone::Shape& shape = context.shape(0);
    if (!shape.ranked) return context.set_output(0, DType::i64, unknown_sizes(1));
    std::vector<Dim> sizes = part(shape.dims, start, end);
    context.set_output(0, DType::i64, hone::Shape{Dim(static_cast<int64_t>(sizes.size()))});
    context.set_dims_value(0, std::move(sizes));
  }
  void evaluate(EvalContext& context) const override {
    Dims sizes = part(context.in(0).dims(), start, end);
    Tensor& y = context.out(0, DType::i64, {static_cast<int64_t>(sizes.size())});
    std::copy(sizes.begin(), sizes.end(), y.mutable_data<int64_t>().begin());
  }
};

HONE_DEFINE_OP(ShapeOf)

}  // namespace hone::ops
