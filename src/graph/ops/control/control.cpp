#include "graph/ops/control/control.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::ops {

namespace {

/// How deep the inference of bodies is in bodies, in this thread.
thread_local int depth = 0;
struct Deeper {
  Deeper() { ++depth; }
  ~Deeper() { --depth; }
};
/// Loops below this depth are not walked through several times, so that nesting costs no exponential time.
constexpr int patient_depth = 4;
constexpr int patient_rounds = 3;

/// The error of a node in a body, with the place of the body's node.
template <class F>
auto inside(const std::string& place, F&& body) {
  try {
    return body();
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    throw Error(error.place() + " in " + place, error.problem(), error.remedy());
  }
}

/// True when the body was inferred with this input.
bool as_stored(const Graph& body, const Value* value, const BodyInput& input) {
  if (input.constant && body.use_count(value) > 0) return false;
  return value->type == input.type && value->dims_value == input.dims_value;
}

std::vector<BodyOutput> outputs_of(const Graph& body) {
  std::vector<BodyOutput> outputs;
  for (const GraphOutput& output : body.outputs()) outputs.push_back({output.value->type, output.value->dims_value});
  return outputs;
}

}  // namespace

size_t ControlOp::own_inputs(size_t inputs) const {
  return captures < 0 || static_cast<uint64_t>(captures) > inputs ? 0 : inputs - static_cast<size_t>(captures);
}

uint32_t ControlOp::body_traits() const {
  for (const auto& body : bodies()) {
    if (!body) continue;
    for (auto& node : body->nodes())
      if (node->has(Trait::random)) return 0u | Trait::random;
  }
  return 0;
}

const Graph& ControlOp::checked_body(const InferContext& context, const std::shared_ptr<Graph>& body,
                                     const char* attribute, size_t own) const {
  if (!body) context.fail(fmt::format("has no graph '{}'", attribute), "the file is broken; export the model again");
  if (captures < 0 || static_cast<uint64_t>(captures) > context.input_count())
    context.fail(fmt::format("captures {} values but has {} inputs", captures, context.input_count()));
  size_t wanted = own + static_cast<size_t>(captures);
  if (body->inputs().size() != wanted)
    context.fail(fmt::format("graph '{}' takes {} inputs, expected {}", attribute, body->inputs().size(), wanted),
                 "the file is broken; export the model again");
  return *body;
}

void ControlOp::append_captures(const InferContext& context, std::vector<BodyInput>& inputs) const {
  for (size_t i = own_inputs(context.input_count()); i < context.input_count(); ++i)
    inputs.push_back({context.input(i), context.dims_value(i), context.constant(i)});
}

void ControlOp::append_captures(const EvalContext& context, std::vector<Tensor>& inputs) const {
  for (size_t i = own_inputs(context.input_count()); i < context.input_count(); ++i) inputs.push_back(context.in(i));
}

void ControlOp::evaluate(EvalContext& context) const {
  auto all = bodies();
  run(context, [&](size_t index, std::span<const Tensor> inputs) {
    return inside(context.place(), [&] { return evaluate_body(*all[index], inputs); });
  });
}

std::optional<int64_t> body_runs(const Node& node) {
  const ControlOp* op = control_op(node);
  if (!op) return 0;
  std::optional<int64_t> own = op->runs(InferContext(node));
  if (!own || *own > most_body_runs) return std::nullopt;
  int64_t inner = 0;
  for (const auto& body : op->bodies())
    for (auto& inside_node : body->nodes()) {
      std::optional<int64_t> runs = body_runs(*inside_node);
      if (!runs) return std::nullopt;
      inner += *runs;
    }
  int64_t total = *own * (1 + inner);
  if (total > most_body_runs) return std::nullopt;
  return total;
}

std::vector<BodyOutput> infer_body(const InferContext& context, const Graph& body, std::span<const BodyInput> inputs) {
  bool known = true;
  for (size_t i = 0; i < inputs.size(); ++i) {
    DType stored = body.inputs()[i]->dtype(), given = inputs[i].type.dtype;
    if (stored != DType::undefined && given != DType::undefined && stored != given)
      context.fail(fmt::format("hands {} to input '{}' of its graph, which is {}", name_of(given),
                               body.inputs()[i]->name, name_of(stored)),
                   "the file is broken; export the model again");
    known = known && as_stored(body, body.inputs()[i], inputs[i]);
  }
  if (known) return outputs_of(body);
  Deeper deeper;
  if (depth > max_graph_depth)
    context.fail(fmt::format("is nested in more than {} graphs", max_graph_depth), "simplify the model");
  Graph copy = body.clone();
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value* input = copy.inputs()[i];
    copy.set_input_type(input, inputs[i].type);
    input->dims_value = inputs[i].dims_value;
    if (inputs[i].constant) copy.replace_uses(input, copy.add_constant(input->name, *inputs[i].constant));
  }
  inside(context.node.place(), [&] { copy.infer(); });
  return outputs_of(copy);
}

Shape common_shape(const Shape& a, const Shape& b) {
  if (!a.ranked || !b.ranked || a.rank() != b.rank()) return Shape();
  Shape common = a;
  for (size_t i = 0; i < common.dims.size(); ++i)
    if (!(a[i] == b[i])) common[i] = Dim();
  return common;
}

void settle_states(const InferContext& context, const Graph& body, std::vector<BodyInput>& inputs, size_t first_in,
                   size_t first_out, size_t count) {
  for (int round = depth < patient_depth ? 0 : patient_rounds;; ++round) {
    // Past the patient rounds only what holds for certain stays.
    if (round >= patient_rounds)
      for (size_t i = 0; i < count; ++i) inputs[first_in + i].type.shape = Shape();
    std::vector<BodyOutput> outputs = infer_body(context, body, inputs);
    bool settled = true;
    for (size_t i = 0; i < count; ++i) {
      Type& state = inputs[first_in + i].type;
      const Type& next = outputs[first_out + i].type;
      if (next.dtype != state.dtype)
        context.fail(fmt::format("state '{}' is {} before the first run of the body and {} after it",
                                 body.inputs()[first_in + i]->name, name_of(state.dtype), name_of(next.dtype)),
                     "the file is broken; export the model again");
      Shape common = common_shape(state.shape, next.shape);
      if (common == state.shape) continue;
      settled = false;
      state.shape = std::move(common);
    }
    if (settled || round >= patient_rounds) return;
  }
}

Tensor stacked(const EvalContext& context, std::span<const Tensor> parts, const Type& like, int64_t axis,
               bool backwards) {
  Dims dims;
  DType dtype = like.dtype;
  if (!parts.empty()) {
    dims = parts[0].dims();
    dtype = parts[0].dtype();
  } else if (like.shape.ranked) {
    for (const Dim& dim : like.shape.dims) dims.push_back(dim.known() ? dim.value : 0);
  }
  int64_t rank = static_cast<int64_t>(dims.size()) + 1, at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) context.fail(fmt::format("axis {} is outside of an output of {} dimensions", axis, rank));
  for (const Tensor& part : parts)
    if (part.dtype() != dtype || part.dims() != dims)
      context.fail(fmt::format("its body gave {}{} first and {}{} later, which cannot be stacked", name_of(dtype),
                               to_string(dims), name_of(part.dtype()), to_string(part.dims())));
  Dims whole = dims;
  whole.insert(whole.begin() + at, static_cast<int64_t>(parts.size()));
  auto part_at = [&](size_t i) -> const Tensor& { return parts[backwards ? parts.size() - 1 - i : i]; };
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < at; ++i) outer *= dims[static_cast<size_t>(i)];
  for (size_t i = static_cast<size_t>(at); i < dims.size(); ++i) inner *= dims[i];
  if (dtype == DType::string) {
    std::vector<std::string> texts;
    for (int64_t o = 0; o < outer; ++o)
      for (size_t i = 0; i < parts.size(); ++i) {
        auto begin = part_at(i).strings().begin() + o * inner;
        texts.insert(texts.end(), begin, begin + inner);
      }
    return Tensor(whole, std::move(texts));
  }
  Tensor result(dtype, whole);
  size_t row = static_cast<size_t>(inner) * size_of(dtype);
  char* to = static_cast<char*>(result.mutable_raw());
  if (row > 0)
    for (int64_t o = 0; o < outer; ++o)
      for (size_t i = 0; i < parts.size(); ++i, to += row)
        std::memcpy(to, static_cast<const char*>(part_at(i).raw()) + static_cast<size_t>(o) * row, row);
  return result;
}

}  // namespace hone::ops
