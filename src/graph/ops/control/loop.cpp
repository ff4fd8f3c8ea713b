#include "graph/ops/control/loop.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/interrupt.hpp"

namespace hone::ops {

namespace {

/// Number of the run and condition: scalars, unless the body says that it wants them as [1].
Type counter_type(const Graph& body, size_t input, DType dtype) {
  const Shape& declared = body.inputs()[input]->shape();
  return {dtype, declared.ranked && declared.rank() == 1 ? Shape{Dim(1)} : Shape(std::vector<Dim>{})};
}

template <class T>
Tensor counter(const Graph& body, size_t input, T value) {
  Tensor tensor = Tensor::scalar<T>(value);
  return counter_type(body, input, tensor.dtype()).shape.rank() == 1 ? tensor.reshaped({1}) : tensor;
}

bool is_true(const Tensor& condition) {
  return condition.dtype() == DType::boolean && condition.size() == 1 && condition.data<bool>()[0];
}

}  // namespace

OpSpec Loop::spec() const {
  return {.min_inputs = 0, .max_inputs = -1, .min_outputs = 1, .max_outputs = -1, .traits = body_traits(),
          .summary = "states and scan outputs of running body until its condition or the count ends it"};
}

void Loop::attributes(AttributeVisitor& visitor) {
  visitor.field("captures", captures);
  visitor.field("body", body);
}

std::vector<BodyInput> Loop::body_inputs(const InferContext& context, size_t) const {
  static const Tensor yes = Tensor::scalar<bool>(true), yes_list = yes.reshaped({1});
  size_t own = std::max<size_t>(own_inputs(context.input_count()), 2), count = own - 2;
  const Graph& graph = checked_body(context, body, "body", own);
  if (graph.outputs().size() < 1 + count)
    context.fail(
        fmt::format("its body has {} outputs, expected a condition and {} states", graph.outputs().size(), count));
  std::vector<BodyInput> inputs{{counter_type(graph, 0, DType::i64), {}, nullptr},
                                {counter_type(graph, 1, DType::boolean), {}, nullptr}};
  inputs[1].constant = inputs[1].type.shape.rank() == 1 ? &yes_list : &yes;  // the body runs when it is true
  for (size_t i = 2; i < own; ++i) inputs.push_back({context.input(i), {}, nullptr});
  append_captures(context, inputs);
  settle_states(context, graph, inputs, 2, 1, count);
  return inputs;
}

void Loop::infer(InferContext& context) const {
  for (size_t i = 0; i < 2; ++i) {
    DType wanted = i == 0 ? DType::i64 : DType::boolean;
    bool fits = i >= own_inputs(context.input_count()) || !context.has_input(i) || context.dtype(i) == wanted ||
                context.dtype(i) == DType::undefined;
    if (!fits) context.fail(fmt::format("input {} is {}, expected {}", i, name_of(context.dtype(i)), name_of(wanted)));
  }
  std::vector<BodyInput> inputs = body_inputs(context, 0);
  std::vector<BodyOutput> outputs = infer_body(context, *body, inputs);
  if (outputs.size() != context.output_count() + 1)
    context.fail(fmt::format("its body has {} outputs, expected {}: a condition and the outputs of the node",
                             outputs.size(), context.output_count() + 1));
  if (outputs[0].type.dtype != DType::boolean && outputs[0].type.dtype != DType::undefined)
    context.fail(
        fmt::format("its body's first output is {}, expected a bool condition", name_of(outputs[0].type.dtype)));
  size_t count = states(context.input_count());
  for (size_t i = 0; i < count; ++i) context.set_output(i, inputs[2 + i].type.dtype, inputs[2 + i].type.shape);
  if (count == context.output_count()) return;
  std::optional<int64_t> known = runs(context);
  for (size_t i = count; i < context.output_count(); ++i) {
    Type type = outputs[1 + i].type;
    if (type.shape.ranked) type.shape.dims.insert(type.shape.dims.begin(), known ? Dim(*known) : Dim());
    context.set_output(i, type.dtype, type.shape);
  }
}

std::optional<int64_t> Loop::runs(const InferContext& context) const {
  size_t own = own_inputs(context.input_count());
  bool conditional = own > 1 && context.has_input(1);
  const Tensor* begin = conditional ? context.constant(1) : nullptr;
  if (begin && !is_true(*begin)) return 0;
  const Tensor* most = own > 0 && context.has_input(0) ? context.constant(0) : nullptr;
  if (!most || most->size() != 1 || most->dtype() != DType::i64) return std::nullopt;
  int64_t count = std::max<int64_t>(most->data<int64_t>()[0], 0);
  if (count == 0) return 0;
  if (conditional && !begin) return std::nullopt;
  const Value* next = body->outputs()[0].value;
  while (next->producer() && next->producer()->is("Identity")) next = next->producer()->input(0);
  bool goes_on = next == body->inputs()[1] || (next->is_constant() && is_true(next->constant()));
  if (!goes_on) return std::nullopt;
  return count;
}

void Loop::run(EvalContext& context, RunBody run_body) const {
  size_t own = own_inputs(context.input_count()), count = states(context.input_count());
  int64_t most = std::numeric_limits<int64_t>::max();
  auto check = [&](size_t i, DType dtype) {
    const Tensor& value = context.in(i);
    if (value.dtype() != dtype || value.size() != 1)
      context.fail(fmt::format("input {} is {}{}, expected one {}", i, name_of(value.dtype()), to_string(value.dims()),
                               name_of(dtype)));
  };
  if (own > 0 && context.has(0)) check(0, DType::i64), most = context.in(0).data<int64_t>()[0];
  bool go_on = true;
  if (own > 1 && context.has(1)) check(1, DType::boolean), go_on = context.in(1).data<bool>()[0];
  std::vector<Tensor> inputs(2);
  for (size_t i = 2; i < own; ++i) inputs.push_back(context.in(i));
  append_captures(context, inputs);
  size_t scans = body->outputs().size() - 1 - count;
  std::vector<std::vector<Tensor>> collected(scans);
  for (int64_t trip = 0; trip < most && go_on; ++trip) {
    check_interrupt("loop");
    inputs[0] = counter<int64_t>(*body, 0, trip);
    inputs[1] = counter<bool>(*body, 1, true);
    std::vector<Tensor> outputs = run_body(0, inputs);
    if (outputs[0].dtype() != DType::boolean || outputs[0].size() != 1)
      context.fail(fmt::format("its body's condition is {}{}, expected one bool", name_of(outputs[0].dtype()),
                               to_string(outputs[0].dims())));
    go_on = outputs[0].data<bool>()[0];
    for (size_t i = 0; i < count; ++i) inputs[2 + i] = outputs[1 + i];
    for (size_t i = 0; i < scans; ++i) collected[i].push_back(outputs[1 + count + i]);
  }
  for (size_t i = 0; i < count; ++i) context.set(i, inputs[2 + i]);
  for (size_t i = 0; i < scans; ++i)
    context.set(count + i, stacked(context, collected[i], body->outputs()[1 + count + i].value->type, 0));
}

HONE_DEFINE_OP(Loop)

}  // namespace hone::ops
