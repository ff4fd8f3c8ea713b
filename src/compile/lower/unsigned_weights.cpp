#include <algorithm>
#include <optional>
#include <vector>

#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/quant/dequantize_linear.hpp"

// Constant 8-bit weights with zero points, between DequantizeLinear:
//   those whose steps from the zero point fit into i8  =>  i8 with zero points 0, which all integer kernels take
//   others, behind a quantized input  =>  ConvInteger or MatMulInteger with the scales and the bias behind it
namespace hone {

namespace {

/// A constant behind DequantizeLinear, with scales and zero points along one axis.
struct Weights {
  Node* node = nullptr;
  const Tensor* values = nullptr;
  size_t axis = 0;
  std::vector<float> scales;
  std::vector<int64_t> zeros;

  int64_t channels() const { return std::max<int64_t>(zeros.size(), scales.size()); }
  bool has_zeros() const {
    return std::any_of(zeros.begin(), zeros.end(), [](int64_t zero) { return zero != 0; });
  }
};

std::optional<Weights> weights_of(const Value* value) {
  Node* node = value ? value->producer() : nullptr;
  const auto* op = node ? node->as<ops::DequantizeLinear>() : nullptr;
  if (!op || op->block_size != 0 || node->output()->dtype() != DType::f32 || !node->input(0)->is_constant())
    return std::nullopt;
  const Value *scale = node->input(1), *zero = node->input(2);
  DType type = node->input(0)->dtype();
  if ((type != DType::u8 && type != DType::i8) || !scale->is_constant() || !zero || !zero->is_constant())
    return std::nullopt;
  Weights w{node, &node->input(0)->constant(), 0, scale->constant().to_floats(), zero->constant().to_ints()};
  if (w.channels() > 1) {
    int64_t rank = w.values->rank(), axis = op->axis < 0 ? op->axis + rank : op->axis;
    if (axis < 0 || axis >= rank || w.values->dim(static_cast<int>(axis)) != w.channels()) return std::nullopt;
    w.axis = static_cast<size_t>(axis);
  }
  return w.has_zeros() ? std::optional(w) : std::nullopt;
}

/// The weights less their zero points, when all of them fit into i8.
std::optional<Tensor> in_signed_steps(const Weights& w) {
  int64_t inner = 1;
  for (int i = static_cast<int>(w.axis) + 1; i < w.values->rank(); ++i) inner *= w.values->dim(i);
  std::vector<int64_t> steps = w.values->to_ints();
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i] -= w.zeros[w.zeros.size() == 1 ? 0 : i / static_cast<size_t>(inner) % w.zeros.size()];
    if (steps[i] < -128 || steps[i] > 127) return std::nullopt;
  }
  return Tensor::of<int64_t>(w.values->dims(), steps).cast(DType::i8);
}

void make_signed(Graph& graph, Node* node) {
  auto weights = weights_of(node->output());
  auto steps = weights ? in_signed_steps(*weights) : std::nullopt;
  if (!steps) return;
  Value* made = graph.add_constant(node->input(0)->name + "/signed", *steps);
  Node* after = graph.insert_before(node, node->op().clone(), {made, node->input(1)}, node->name + "/signed");
  graph.replace_uses(node->output(), after->output());
}

Value* along_channels(Graph& graph, const std::string& name, const std::vector<float>& numbers, int64_t after) {
  Dims dims{static_cast<int64_t>(numbers.size())};
  if (numbers.size() > 1) dims.insert(dims.end(), static_cast<size_t>(after), 1);
  return graph.add_constant(name, Tensor::of<float>(dims, numbers));
}

/// A matrix product that adds a bias as it is.
bool is_plain(const ops::Gemm& gemm, const Value* bias) {
  return gemm.transA == 0 && gemm.alpha == 1 && (!bias || gemm.beta == 1);
}

/// [N, K] as [K, N].
Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.dim(0), columns = matrix.dim(1);
  std::vector<int64_t> in = matrix.to_ints(), out(in.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      out[static_cast<size_t>(c * rows + r)] = in[static_cast<size_t>(r * columns + c)];
  return Tensor::of<int64_t>({columns, rows}, out).cast(matrix.dtype());
}

/// Convolutions, and products with a matrix whose columns (rows, where it is transposed) are the channels.
void use_integers(Graph& graph, Node* node) {
  const bool conv = node->is("Conv");
  const auto* gemm = node->as<ops::Gemm>();
  if (!conv && !node->is("MatMul") && !(gemm && is_plain(*gemm, node->input(2)))) return;
  const bool turned = gemm && gemm->transB != 0;
  auto x = dequantized_from(node->input(0));
  auto w = weights_of(node->input(1));
  if (!x || !w || (!conv && w->values->rank() != 2)) return;
  if (w->channels() > 1 && w->axis != (conv || turned ? 0U : 1U)) return;
  const Value* bias = node->input(2);
  auto added = constant_floats(bias);
  if (bias && (!added || (!conv && added->rank() > 1))) return;
  const int64_t after = conv ? w->values->rank() - 2 : 0;  // axes of the result behind its channels
  auto constant = [&](const char* what, Tensor tensor) {
    return graph.add_constant(node->name + what, std::move(tensor));
  };
  std::vector<float> factors = w->scales;
  for (float& factor : factors) factor *= x->params.scale;
  Tensor x_zero = Tensor::of<int64_t>({}, {x->params.zero}).cast(x->value->dtype());
  Dims sizes = w->zeros.size() == 1 ? Dims{} : Dims{static_cast<int64_t>(w->zeros.size())};
  Tensor w_zero = Tensor::of<int64_t>(sizes, w->zeros).cast(w->values->dtype());
  auto insert = [&](std::unique_ptr<Op> op, std::vector<Value*> inputs, const char* what) {
    return graph.insert_before(node, std::move(op), std::move(inputs), node->name + what)->output();
  };
  auto product = conv ? new_op("ConvInteger", get_attributes(node->op())) : new_op("MatMulInteger");
  Value* values = turned ? constant("/w", transposed(*w->values)) : w->node->input(0);
  Value* y = insert(std::move(product), {x->value, values, constant("/x_zero", x_zero), constant("/w_zero", w_zero)},
                    "/integer");
  y = insert(new_op("Cast", {{"to", int64_t{1}}}), {y}, "/real");
  y = insert(new_op("Mul"), {y, along_channels(graph, node->name + "/factors", factors, after)}, "/scaled");
  if (added)
    y = insert(new_op("Add"), {y, along_channels(graph, node->name + "/bias", added->to_floats(), after)}, "/sum");
  graph.replace_uses(node->output(), y);
}

}  // namespace

void take_weight_zero_points(Graph& graph) {
  for (Node* node : graph.node_list()) make_signed(graph, node);
  for (Node* node : graph.node_list()) use_integers(graph, node);
  graph.remove_dead();
}

}  // namespace hone
