#include "graph/ops/recurrent/recurrent.hpp"

#include "base/error.hpp"
#include "graph/graph.hpp"
#include "graph/ops/shape/move.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

void RecurrentFields::visit(AttributeVisitor& visitor) {
  visitor.field("activation_alpha", activation_alpha);
  visitor.field("activation_beta", activation_beta);
  visitor.field("activations", activations);
  visitor.field("clip", clip);
  visitor.field("direction", direction);
  visitor.field("hidden_size", hidden_size);
  visitor.field("layout", layout);
}

std::vector<CellActivation> recurrent_activations(const std::string& place, const RecurrentFields& fields,
                                                  const RecurrentKind& kind) {
  std::vector<std::string> names = fields.activations;
  auto directions = static_cast<size_t>(fields.directions());
  if (names.empty())
    for (size_t d = 0; d < directions; ++d) names.insert(names.end(), kind.activations.begin(), kind.activations.end());
  // ONNX gives RNN two by default, whatever its direction.
  size_t wanted = kind.activations.size() * directions;
  if (kind.activations.size() == 1 && names.size() == 2) names.resize(wanted);
  if (names.size() != wanted)
    throw Error(
        place, fmt::format("has {} activations, expected {} for direction {}", names.size(), wanted, fields.direction));
  return cell_activations(place, names, fields.activation_alpha, fields.activation_beta);
}

namespace {

template <class Context>
void check_fields(Context& context, const RecurrentFields& fields) {
  if (fields.direction != "forward" && fields.direction != "reverse" && fields.direction != "bidirectional")
    context.fail("direction is '" + fields.direction + "', expected forward, reverse or bidirectional");
  if (fields.layout != 0 && fields.layout != 1)
    context.fail(fmt::format("layout is {}, expected 0 or 1 (batch first)", fields.layout));
  if (fields.clip && !(*fields.clip > 0)) context.fail(fmt::format("clip is {}, expected more than 0", *fields.clip));
}

bool fits(const Shape& shape, const std::vector<Dim>& wanted) {
  if (!shape.ranked) return true;
  if (shape.dims.size() != wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (shape[i].known() && wanted[i].known() && shape[i] != wanted[i]) return false;
  return true;
}

/// Fails unless the shapes of all inputs that `shape_of` knows fit each other.
template <class Context, class ShapeOf>
void check_shapes(Context& context, const RecurrentFields& fields, int64_t gates, Dim batch, Dim input, Dim hidden,
                  ShapeOf shape_of) {
  Dim directions = fields.directions();
  auto times = [&](int64_t factor) { return hidden.known() ? Dim(hidden.value * factor) : Dim(); };
  std::vector<Dim> state =
      fields.layout ? std::vector<Dim>{batch, directions, hidden} : std::vector<Dim>{directions, batch, hidden};
  struct Expected {
    size_t input;
    const char* name;
    std::vector<Dim> dims;
  };
  const Expected table[] = {
      {1, "w", {directions, times(gates), input}},
      {2, "r", {directions, times(gates), hidden}},
      {3, "b", {directions, times(2 * gates)}},
      {4, "sequence_lens", {batch}},
      {5, "initial_h", state},
      {6, "initial_c", state},
      {7, "p", {directions, times(3)}},
  };
  for (const Expected& line : table) {
    std::optional<Shape> shape = shape_of(line.input);
    if (shape && !fits(*shape, line.dims))
      context.fail(
          fmt::format("{} has shape {}, expected {}", line.name, to_string(*shape), to_string(Shape(line.dims))));
  }
}

}  // namespace

void infer_recurrent(InferContext& context, const RecurrentFields& fields, const RecurrentKind& kind) {
  check_fields(context, fields);
  recurrent_activations(context.node.place(), fields, kind);
  const Shape& x = context.shape(0);
  if (x.ranked && x.rank() != 3)
    context.fail(fmt::format("input has shape {}, expected [steps, batch, input]", to_string(x)));
  Dim steps, batch, input, hidden;
  if (x.ranked) {
    steps = x[fields.layout ? 1 : 0];
    batch = x[fields.layout ? 0 : 1];
    input = x[2];
  }
  const Shape& r = context.shape(2);
  if (r.ranked && r.rank() == 3) hidden = r[2];
  if (fields.hidden_size) hidden = *fields.hidden_size;
  check_shapes(context, fields, kind.gates, batch, input, hidden, [&](size_t i) -> std::optional<Shape> {
    return context.has_input(i) ? std::optional(context.shape(i)) : std::nullopt;
  });
  Dim directions = fields.directions();
  Shape state = fields.layout ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  context.set_output(0, context.dtype(0),
                     fields.layout ? Shape{batch, steps, directions, hidden} : Shape{steps, directions, batch, hidden});
  for (size_t i = 1; i <= kind.state_outputs; ++i) context.set_output(i, context.dtype(0), state);
}

RecurrentSizes recurrent_sizes(const EvalContext& context, const RecurrentFields& fields, const RecurrentKind& kind) {
  check_fields(context, fields);
  const Dims &x = context.in(0).dims(), &r = context.in(2).dims();
  if (x.size() != 3) context.fail(fmt::format("input has shape {}, expected [steps, batch, input]", to_string(x)));
  if (r.size() != 3)
    context.fail(fmt::format("r has shape {}, expected [directions, gates * hidden, hidden]", to_string(r)));
  RecurrentSizes sizes;
  sizes.steps = x[fields.layout ? 1 : 0];
  sizes.batch = x[fields.layout ? 0 : 1];
  sizes.input = x[2];
  sizes.hidden = fields.hidden_size.value_or(r[2]);
  sizes.directions = fields.directions();
  sizes.gates = kind.gates;
  if (sizes.hidden < 1 || sizes.hidden > (int64_t{1} << 24))
    context.fail(fmt::format("hidden_size is {}, expected 1 to 2^24", sizes.hidden));
  check_shapes(context, fields, kind.gates, sizes.batch, sizes.input, sizes.hidden,
               [&](size_t i) -> std::optional<Shape> {
                 return context.has(i) ? std::optional(Shape(context.in(i).dims())) : std::nullopt;
               });
  check_allocation(context.place(), DType::f64, {sizes.steps, sizes.batch, sizes.gates * sizes.hidden});
  return sizes;
}

std::vector<int64_t> sequence_lengths(const EvalContext& context, const RecurrentSizes& sizes) {
  std::vector<int64_t> lengths =
      int_list(context, 4, std::vector<int64_t>(static_cast<size_t>(sizes.batch), sizes.steps));
  for (int64_t length : lengths)
    if (length < 0 || length > sizes.steps)
      context.fail(fmt::format("sequence_lens has {}, expected 0 to {} (the steps of the input)", length, sizes.steps));
  return lengths;
}

Tensor swap_first_axes(const Tensor& x) {
  Dims dims = x.dims();
  std::swap(dims[0], dims[1]);
  Tensor y(x.dtype(), dims);
  Dims strides = row_major_strides(x.dims());
  std::swap(strides[0], strides[1]);
  if (x.dtype() == DType::f64)
    strided_copy(pointer<double>(x), y.mutable_data<double>().data(), dims, strides);
  else
    strided_copy(pointer<float>(x), y.mutable_data<float>().data(), dims, strides);
  return y;
}

}  // namespace hone::ops
