#include "optimize/match.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace hone::passes {

std::unique_ptr<Op> new_op(std::string_view type, const Attributes& attributes, std::string_view domain) {
  auto op = make_op(domain, type);
  if (!op) throw Error(std::string(type), "is not a known op");
  auto unknown = set_attributes(*op, attributes);
  if (!unknown.empty()) throw Error(std::string(type), "has no attribute '" + unknown[0] + "'");
  return op;
}

Node* made_by(const Value* value, std::string_view type) {
  Node* node = value ? value->producer() : nullptr;
  return node && node->is(type) && node->op().domain()[0] == '\0' ? node : nullptr;
}

Node* single_user(const Graph& graph, const Value* value) {
  if (value->uses().size() != 1 || graph.is_output(value)) return nullptr;
  return value->uses()[0].node;
}

bool is_quantizer(const Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); }

std::optional<std::vector<double>> numbers(const Value* value) {
  if (!value || !value->is_constant() || value->dtype() == DType::string) return std::nullopt;
  Tensor wide = value->constant().cast(DType::f64);
  auto data = wide.data<double>();
  return std::vector<double>(data.begin(), data.end());
}

std::optional<std::vector<int64_t>> integers(const Value* value) {
  if (!value || !value->is_constant() || !is_integer(value->dtype())) return std::nullopt;
  return value->constant().to_ints();
}

std::optional<double> scalar(const Value* value) {
  if (!value || !value->is_constant() || value->constant().size() != 1) return std::nullopt;
  auto list = numbers(value);
  return list ? std::optional(list->front()) : std::nullopt;
}

std::optional<double> scalar_beside(const Value* value, const Value* other) {
  auto number = scalar(value);
  if (!number || !other) return std::nullopt;
  int rank = value->constant().rank();
  bool fits = rank == 0 || (other->shape().ranked && rank <= other->shape().rank());
  return fits ? number : std::nullopt;
}

std::optional<std::vector<double>> per_channel(const Value* value, int rank, int axis, int64_t channels) {
  if (!value || !value->is_constant() || !is_float(value->dtype())) return std::nullopt;
  const Tensor& tensor = value->constant();
  int offset = rank - tensor.rank();
  if (offset < 0) return std::nullopt;
  for (int i = 0; i < tensor.rank(); ++i)
    if (tensor.dim(i) != 1 && (i + offset != axis || tensor.dim(i) != channels)) return std::nullopt;
  auto list = numbers(value);
  if (list->size() == 1) list->resize(static_cast<size_t>(channels), list->front());
  return list;
}

Tensor tensor_of(DType dtype, Dims dims, const std::vector<double>& values) {
  return Tensor::of<double>(std::move(dims), values).cast(dtype);
}

bool surely_equal(const Shape& a, const Shape& b) {
  if (!a.ranked || !b.ranked || a.rank() != b.rank()) return false;
  for (size_t i = 0; i < a.dims.size(); ++i)
    if (a[i] != b[i] || (!a[i].known() && a[i].symbol.empty())) return false;
  return true;
}

bool close(double a, double b, DType dtype) {
  double tolerance = dtype == DType::bf16 ? 8e-3 : dtype == DType::f16 ? 2e-3 : 1e-4;
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

void set_constant_input(Graph& graph, Node* node, size_t index, Tensor tensor, const std::string& name) {
  Value* old = node->input(index);
  if (old && old->is_constant() && graph.use_count(old) == 1) {
    graph.set_constant(old, std::move(tensor));
    return;
  }
  graph.set_input(node, index, graph.add_constant(old && old->is_constant() ? old->name : name, std::move(tensor)));
}

void become(Graph& graph, Node* node, std::unique_ptr<Op> op, std::vector<Value*> inputs) {
  graph.replace_op(node, std::move(op));
  graph.set_inputs(node, std::move(inputs));
  infer_node(*node);
}

bool replace(Graph& graph, Value* from, Value* to) {
  if (graph.is_output(from) && (to->is_input() || to->is_constant() || graph.is_output(to))) return false;
  graph.replace_uses(from, to);
  return true;
}

void replace_outputs(Graph& graph, Node* node, const std::vector<Value*>& values) {
  for (size_t i = 0; i < node->outputs().size(); ++i)
    if (!replace(graph, node->output(i), values[i]))
      graph.replace_uses(node->output(i), graph.insert_before(node, new_op("Identity"), {values[i]})->output());
}

void bypass(Graph& graph, Node* node, Value* value) {
  graph.replace_uses(node->output(), value);
  graph.set_inputs(node, {});
}

bool used_only_inside(const Graph& graph, const std::set<const Node*>& nodes, const Node* root) {
  for (const Node* node : nodes) {
    if (node == root) continue;
    for (const Value* output : node->outputs()) {
      if (graph.is_output(output)) return false;
      for (const Use& use : output->uses())
        if (!nodes.count(use.node)) return false;
    }
  }
  return true;
}

}  // namespace hone::passes
