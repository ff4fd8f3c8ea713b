#include "graph/ops/elementwise.hpp"

namespace hone::ops {

namespace {

/// y = condition ? a : b, where T is any type of the element's size.
template <class T>
void select(const Tensor& condition, const Tensor& a, const Tensor& b, const Dims& dims, T* out) {
  const bool* choose = static_cast<const bool*>(condition.raw());
  const T *p = static_cast<const T*>(a.raw()), *q = static_cast<const T*>(b.raw());
  for_each_broadcast_row(dims, {&condition.dims(), &a.dims(), &b.dims()}, [&](const BroadcastRow& row) {
    for (int64_t i = 0; i < row.count; ++i)
      out[row.out + i] = choose[row.begin[0] + i * row.step[0]] ? p[row.begin[1] + i * row.step[1]]
                                                                : q[row.begin[2] + i * row.step[2]];
  });
}

void select_strings(EvalContext& context, const Tensor& condition, const Tensor& a, const Tensor& b, const Dims& dims) {
  const bool* choose = static_cast<const bool*>(condition.raw());
  const auto &p = a.strings(), &q = b.strings();
  std::vector<std::string> chosen(static_cast<size_t>(element_count(dims)));
  for_each_broadcast_row(dims, {&condition.dims(), &a.dims(), &b.dims()}, [&](const BroadcastRow& row) {
    for (int64_t i = 0; i < row.count; ++i)
      chosen[static_cast<size_t>(row.out + i)] = choose[row.begin[0] + i * row.step[0]]
                                                     ? p[static_cast<size_t>(row.begin[1] + i * row.step[1])]
                                                     : q[static_cast<size_t>(row.begin[2] + i * row.step[2])];
  });
  context.set(0, Tensor(dims, std::move(chosen)));
}

}  // namespace

/// y = condition ? a : b, with broadcasting; a and b of any type
struct Where : OpOf<Where> {
  const char* type() const override { return "Where"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .traits = elementwise_traits, .summary = "y = condition ? a : b"};
  }
  void infer(InferContext& context) const override {
    require_types(context, 0, Types::boolean);
    require_same_type(context, 1, 2);
    infer_broadcast(context, context.dtype(1));
    if (context.dtype(1) == DType::undefined) context.outputs[0].dtype = context.dtype(2);
  }
  void evaluate(EvalContext& context) const override {
    const Tensor &condition = context.in(0), &a = context.in(1), &b = context.in(2);
    if (condition.dtype() != DType::boolean) fail_type(context, condition.dtype(), Types::boolean);
    if (a.dtype() != b.dtype())
      context.fail(std::string("inputs 1 and 2 are ") + name_of(a.dtype()) + " and " + name_of(b.dtype()) +
                       ", expected one type",
                   "insert a Cast");
    auto values = broadcast(a.dims(), b.dims());
    auto dims = values ? broadcast(condition.dims(), *values) : std::nullopt;
    if (!dims)
      context.fail("shapes " + to_string(condition.dims()) + ", " + to_string(a.dims()) + " and " +
                   to_string(b.dims()) + " do not broadcast");
    if (a.dtype() == DType::string) return select_strings(context, condition, a, b, *dims);
    void* out = context.out(0, a.dtype(), *dims).mutable_raw();
    switch (size_of(a.dtype())) {
      case 1: return select(condition, a, b, *dims, static_cast<uint8_t*>(out));
      case 2: return select(condition, a, b, *dims, static_cast<uint16_t*>(out));
      case 4: return select(condition, a, b, *dims, static_cast<uint32_t*>(out));
      default: return select(condition, a, b, *dims, static_cast<uint64_t*>(out));
    }
  }
};

HONE_DEFINE_OP(Where)

}  // namespace hone::ops
