#include "graph/ops/math/einsum/einsum.hpp"

#include <algorithm>

#include "graph/graph.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/types.hpp"

namespace hone::ops {

namespace {

using Labels = std::vector<int>;

struct Operand {
  Tensor data;
  Labels labels;  ///< of each axis; one that occurs twice is a diagonal
};

/// An axis of a loop nest over the elements of two operands.
struct LoopAxis {
  int64_t size = 1, step_a = 0, step_b = 0;
};

struct Position {
  int64_t a = 0, b = 0;
};

/// Calls visit(position) for each combination of the axes, the last one running fastest.
template <class Visit>
void nest(const std::vector<LoopAxis>& axes, size_t depth, Position position, Visit& visit) {
  if (depth == axes.size()) return visit(position);
  const LoopAxis& axis = axes[depth];
  for (int64_t i = 0; i < axis.size; ++i, position.a += axis.step_a, position.b += axis.step_b)
    nest(axes, depth + 1, position, visit);
}

LoopAxis loop_axis(int label, const Operand& a, const Operand& b) {
  LoopAxis axis;
  auto add = [&](const Operand& operand, int64_t& step) {
    Dims strides = row_major_strides(operand.data.dims());
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      if (operand.labels[i] != label || operand.data.dims()[i] == 1) continue;
      axis.size = operand.data.dims()[i];
      step += strides[i];
    }
  };
  add(a, axis.step_a);
  add(b, axis.step_b);
  return axis;
}

/// The products of a and b, summed over every label that is not in `keep`.
template <class T>
Tensor contract(const std::string& place, const Operand& a, const Operand& b, const Labels& keep) {
  std::vector<LoopAxis> kept, summed;
  Dims dims;
  for (int label : keep) {
    kept.push_back(loop_axis(label, a, b));
    dims.push_back(kept.back().size);
  }
  Labels seen = keep;
  for (const Labels* labels : {&a.labels, &b.labels})
    for (int label : *labels) {
      if (std::find(seen.begin(), seen.end(), label) != seen.end()) continue;
      seen.push_back(label);
      summed.push_back(loop_axis(label, a, b));
    }
  LoopAxis inner;
  if (!summed.empty()) {
    inner = summed.back();
    summed.pop_back();
  }
  check_allocation(place, dtype_of<T>(), dims);
  Tensor result(dtype_of<T>(), dims);
  T* out = result.mutable_data<T>().data();
  const T *x = a.data.data<T>().data(), *y = b.data.data<T>().data();
  auto element = [&](Position begin) {
    T total = 0;
    auto line = [&](Position p) {
      for (int64_t i = 0; i < inner.size; ++i)
        total = wrap_add(total, wrap_mul(x[p.a + i * inner.step_a], y[p.b + i * inner.step_b]));
    };
    nest(summed, 0, begin, line);
    *out++ = total;
  };
  nest(kept, 0, {}, element);
  return result;
}

/// The labels of a and b that later operands or the output still need; the output's order for the last pair.
Labels needed(const Operand& a, const Operand& b, const EinsumLabels& labels, size_t next) {
  if (next == labels.inputs.size()) return labels.output;
  Labels result;
  for (const Labels* own : {&a.labels, &b.labels})
    for (int label : *own) {
      auto in = [&](const Labels& list) { return std::find(list.begin(), list.end(), label) != list.end(); };
      bool later = in(labels.output);
      for (size_t i = next; !later && i < labels.inputs.size(); ++i) later = in(labels.inputs[i]);
      if (later && !in(result)) result.push_back(label);
    }
  return result;
}

/// The size of every label; throws through `fail` when two inputs disagree.
template <class Context>
std::vector<Dim> label_sizes(const Context& context, const EinsumLabels& labels, const std::vector<Shape>& shapes) {
  std::vector<Dim> sizes(static_cast<size_t>(labels.count), Dim(1));
  for (size_t i = 0; i < shapes.size(); ++i)
    for (size_t axis = 0; axis < shapes[i].dims.size(); ++axis) {
      Dim& size = sizes[static_cast<size_t>(labels.inputs[i][axis])];
      const Dim& own = shapes[i][axis];
      if (own == Dim(1) || own == size) continue;
      if (size == Dim(1)) size = own;
      else if (!own.known()) size = size.known() ? size : Dim();
      else if (!size.known()) size = own;
      else
        context.fail("axis " + std::to_string(axis) + " of input " + std::to_string(i) + " is " + to_string(own) +
                     ", expected " + to_string(size) + " as in the axes of the same name");
    }
  return sizes;
}

}  // namespace

OpSpec Einsum::spec() const {
  return {.min_inputs = 1, .max_inputs = -1, .summary = "y = sum of products of elements as an equation says"};
}

void Einsum::attributes(AttributeVisitor& visitor) { visitor.field("equation", equation); }

void Einsum::infer(InferContext& context) const {
  std::vector<Shape> shapes;
  std::vector<int> ranks;
  for (size_t i = 0; i < context.input_count(); ++i) {
    require_types(context, i, Types::numbers);
    require_same_type(context, 0, i);
    shapes.push_back(context.shape(i));
    ranks.push_back(shapes.back().rank());
  }
  Shape shape;
  if (std::all_of(shapes.begin(), shapes.end(), [](const Shape& s) { return s.ranked; })) {
    EinsumLabels labels = parse_equation(context.node.place(), equation, ranks);
    std::vector<Dim> sizes = label_sizes(context, labels, shapes), dims;
    for (int label : labels.output) dims.push_back(sizes[static_cast<size_t>(label)]);
    shape = Shape(std::move(dims));
  }
  context.set_output(0, context.dtype(0), std::move(shape));
}

void Einsum::evaluate(EvalContext& context) const {
  std::vector<Shape> shapes;
  std::vector<int> ranks;
  DType dtype = context.in(0).dtype();
  for (size_t i = 0; i < context.input_count(); ++i) {
    shapes.emplace_back(context.in(i).dims());
    ranks.push_back(context.in(i).rank());
    if (!accepts(Types::numbers, context.in(i).dtype())) fail_type(context, context.in(i).dtype(), Types::numbers);
  }
  EinsumLabels labels = parse_equation(context.place(), equation, ranks);
  label_sizes(context, labels, shapes);
  DType wide = is_float(dtype) ? DType::f64 : DType::i64;
  Operand one{Tensor::scalar<int64_t>(1).cast(wide), {}};
  Operand result{context.in(0).cast(wide), labels.inputs[0]};
  for (size_t next = std::min<size_t>(2, context.input_count());; ++next) {
    // With a single input it is multiplied by one.
    Operand other = one;
    if (context.input_count() > 1) other = {context.in(next - 1).cast(wide), labels.inputs[next - 1]};
    Labels keep = needed(result, other, labels, next);
    result.data = wide == DType::f64 ? contract<double>(context.place(), result, other, keep)
                                     : contract<int64_t>(context.place(), result, other, keep);
    result.labels = keep;
    if (next == context.input_count()) break;
  }
  context.set(0, result.data.cast(dtype));
}

HONE_DEFINE_OP(Einsum)

}  // namespace hone::ops
