#include "graph/ops/control/scan.hpp"

#include <cstring>

#include <fmt/format.h>

#include "base/interrupt.hpp"

namespace hone::ops {

namespace {

int64_t entry(const std::vector<int64_t>& list, size_t i) { return i < list.size() ? list[i] : 0; }

/// Row `index` of x along `axis`.
Tensor slice(const Tensor& x, size_t axis, int64_t index) {
  Dims dims = x.dims();
  int64_t outer = 1, inner = 1, length = dims[axis];
  for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  if (x.dtype() == DType::string) {
    std::vector<std::string> texts;
    for (int64_t o = 0; o < outer; ++o) {
      auto begin = x.strings().begin() + (o * length + index) * inner;
      texts.insert(texts.end(), begin, begin + inner);
    }
    return Tensor(dims, std::move(texts));
  }
  Tensor result(x.dtype(), dims);
  size_t row = static_cast<size_t>(inner) * size_of(x.dtype());
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(result.mutable_raw());
  if (row > 0)
    for (int64_t o = 0; o < outer; ++o)
      std::memcpy(to + static_cast<size_t>(o) * row, from + static_cast<size_t>(o * length + index) * row, row);
  return result;
}

}  // namespace

OpSpec Scan::spec() const {
  return {.min_inputs = 1, .max_inputs = -1, .min_outputs = 1, .max_outputs = -1, .traits = body_traits(),
          .summary = "states and outputs of running body on each slice of the scan inputs"};
}

void Scan::attributes(AttributeVisitor& visitor) {
  visitor.field("captures", captures);
  visitor.field("body", body);
  visitor.field("num_scan_inputs", num_scan_inputs);
  visitor.field("scan_input_axes", scan_input_axes);
  visitor.field("scan_input_directions", scan_input_directions);
  visitor.field("scan_output_axes", scan_output_axes);
  visitor.field("scan_output_directions", scan_output_directions);
}

std::vector<BodyInput> Scan::body_inputs(const InferContext& context, size_t) const {
  size_t own = own_inputs(context.input_count());
  if (num_scan_inputs < 1 || static_cast<uint64_t>(num_scan_inputs) > own)
    context.fail(fmt::format("has {} inputs, of which it scans {}", own, num_scan_inputs),
                 "num_scan_inputs must be at least 1 and at most the number of inputs");
  const Graph& graph = checked_body(context, body, "body", own);
  size_t count = own - slices();
  if (graph.outputs().size() < count)
    context.fail(fmt::format("its body has {} outputs, expected at least {} states", graph.outputs().size(), count));
  std::vector<BodyInput> inputs;
  for (size_t i = 0; i < own; ++i) {
    BodyInput input{context.input(i), {}, nullptr};
    if (i >= count && input.type.shape.ranked) {
      auto& dims = input.type.shape.dims;
      int64_t rank = input.type.shape.rank(), axis = entry(scan_input_axes, i - count);
      if (axis < -rank || axis >= rank)
        context.fail(fmt::format("scans input {} along axis {}, but it is {}", i, axis, to_string(input.type)));
      dims.erase(dims.begin() + (axis < 0 ? axis + rank : axis));
    }
    inputs.push_back(std::move(input));
  }
  append_captures(context, inputs);
  settle_states(context, graph, inputs, 0, 0, count);
  return inputs;
}

Dim Scan::length(const InferContext& context, size_t states) const {
  Dim length;
  for (size_t i = 0; i < slices(); ++i) {
    const Shape& shape = context.shape(states + i);
    if (!shape.ranked) continue;
    int64_t axis = entry(scan_input_axes, i);
    const Dim& mine = shape[static_cast<size_t>(axis < 0 ? axis + shape.rank() : axis)];
    if (length.known() && mine.known() && length != mine)
      context.fail(fmt::format("scan input {} has {} slices, another one {}", i, mine.value, length.value));
    if (mine.known() || (!length.known() && length.symbol.empty())) length = mine;
  }
  return length;
}

std::optional<int64_t> Scan::runs(const InferContext& context) const {
  Dim rows = length(context, own_inputs(context.input_count()) - slices());
  if (!rows.known()) return std::nullopt;
  return rows.value;
}

void Scan::infer(InferContext& context) const {
  std::vector<BodyInput> inputs = body_inputs(context, 0);
  std::vector<BodyOutput> outputs = infer_body(context, *body, inputs);
  if (outputs.size() != context.output_count())
    context.fail(fmt::format("its body has {} outputs, the node {}", outputs.size(), context.output_count()));
  size_t count = own_inputs(context.input_count()) - slices();
  for (size_t i = 0; i < count; ++i) context.set_output(i, inputs[i].type.dtype, inputs[i].type.shape);
  Dim rows = length(context, count);
  for (size_t i = count; i < context.output_count(); ++i) {
    Type type = outputs[i].type;
    if (type.shape.ranked) {
      int64_t rank = type.shape.rank() + 1, axis = entry(scan_output_axes, i - count);
      if (axis < -rank || axis >= rank)
        context.fail(fmt::format("puts scan output {} along axis {} of {} dimensions", i - count, axis, rank));
      type.shape.dims.insert(type.shape.dims.begin() + (axis < 0 ? axis + rank : axis), rows);
    }
    context.set_output(i, type.dtype, type.shape);
  }
}

void Scan::run(EvalContext& context, RunBody run_body) const {
  size_t own = own_inputs(context.input_count()), count = own - slices();
  std::vector<Tensor> inputs;
  std::vector<size_t> axes;
  for (size_t i = 0; i < own; ++i) inputs.push_back(context.in(i));
  append_captures(context, inputs);
  int64_t rows = -1;
  for (size_t i = 0; i < slices(); ++i) {
    const Tensor& x = context.in(count + i);
    int64_t axis = entry(scan_input_axes, i);
    if (axis < -x.rank() || axis >= x.rank())
      context.fail(
          fmt::format("scans input {} along axis {}, but it has sizes {}", count + i, axis, to_string(x.dims())));
    axes.push_back(static_cast<size_t>(axis < 0 ? axis + x.rank() : axis));
    int64_t mine = x.dims()[axes[i]];
    if (rows >= 0 && mine != rows)
      context.fail(fmt::format("scan input {} has {} slices, another one {}", i, mine, rows));
    rows = mine;
  }
  size_t scans = body->outputs().size() - count;
  std::vector<std::vector<Tensor>> collected(scans);
  for (int64_t row = 0; row < rows; ++row) {
    check_interrupt("scan");
    for (size_t i = 0; i < slices(); ++i) {
      bool backwards = entry(scan_input_directions, i) == 1;
      inputs[count + i] = slice(context.in(count + i), axes[i], backwards ? rows - 1 - row : row);
    }
    std::vector<Tensor> outputs = run_body(0, inputs);
    for (size_t i = 0; i < count; ++i) inputs[i] = outputs[i];
    for (size_t i = 0; i < scans; ++i) collected[i].push_back(outputs[count + i]);
  }
  for (size_t i = 0; i < count; ++i) context.set(i, inputs[i]);
  for (size_t i = 0; i < scans; ++i)
    context.set(count + i, stacked(context, collected[i], body->outputs()[count + i].value->type,
                                   entry(scan_output_axes, i), entry(scan_output_directions, i) == 1));
}

HONE_DEFINE_OP(Scan)

}  // namespace hone::ops
