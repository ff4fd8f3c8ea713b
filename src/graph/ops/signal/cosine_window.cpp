#include "graph/ops/signal/cosine_window.hpp"

#include <cmath>

#include <fmt/format.h>

#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

void WindowFields::visit(AttributeVisitor& visitor) {
  visitor.field("output_datatype", output_datatype);
  visitor.field("periodic", periodic);
}

namespace {

template <class Context>
void check_fields(Context& context, const WindowFields& fields) {
  if (!accepts(Types::numbers, fields.output_datatype))
    context.fail(fmt::format("output_datatype is {}, expected a number type", name_of(fields.output_datatype)));
}

template <class Context>
int64_t checked_size(Context& context, const std::vector<int64_t>& size) {
  if (size.size() != 1 || size[0] < 0)
    context.fail("size is " + to_string(Dims(size)) + ", expected one number of at least 0");
  return size[0];
}

}  // namespace

void infer_window(InferContext& context, const WindowFields& fields) {
  check_fields(context, fields);
  Dim size;
  if (auto known = known_ints(context, 0)) size = checked_size(context, *known);
  context.set_output(0, fields.output_datatype, Shape{size});
}

void evaluate_window(EvalContext& context, const WindowFields& fields, const std::vector<double>& terms) {
  check_fields(context, fields);
  int64_t size = checked_size(context, int_list(context, 0));
  check_allocation(context.place(), DType::f64, {size});
  // A symmetric window of one element is its middle, where every window is 1.
  int64_t length = fields.periodic ? size : size - 1;
  Tensor window(DType::f64, {size});
  double* y = window.mutable_data<double>().data();
  for (int64_t n = 0; n < size; ++n) {
    double phase = length > 0 ? 2 * M_PI * static_cast<double>(n) / static_cast<double>(length) : M_PI;
    y[n] = 0;
    for (size_t k = 0; k < terms.size(); ++k) y[n] += terms[k] * std::cos(static_cast<double>(k) * phase);
  }
  context.set(0, window.cast(fields.output_datatype));
}

}  // namespace hone::ops
