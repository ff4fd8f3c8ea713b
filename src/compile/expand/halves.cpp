#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "compile/expand/build.hpp"
#include "compile/expand/expand.hpp"
#include "compile/lower/patterns.hpp"
#include "optimize/pass_manager.hpp"

// op(x: f16): f16 => narrow(op(widen(x): f32)), and widen(narrow(x)) => x: as the arithmetic of these types rounds each
// result, the networks become a little more accurate.
namespace hone {

namespace {

/// Ops that compute in f32 when their floating-point inputs are f32, and for which that pays.
constexpr std::string_view computes[] = {
    "Add", "ArgMax", "ArgMin", "Attention", "AveragePool", "BatchNormalization", "Celu", "Clip", "Conv",
    "ConvTranspose", "Cos", "CumSum", "DeformConv", "Div", "Einsum", "Elu", "Erf", "Exp", "GRU", "Gelu", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "GridSample", "GroupNormalization", "HardSigmoid", "HardSwish",
    "InstanceNormalization", "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "LpNormalization", "LpPool", "MatMul", "Max", "MaxPool", "Mean", "MeanVarianceNormalization", "Min", "Mish", "Mul",
    "PRelu", "Pow", "RMSNormalization", "RNN", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu",
    "Resize", "RoiAlign", "RotaryEmbedding", "Selu", "Sigmoid", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Sub",
    "Sum", "Swish", "Tanh", "ThresholdedRelu", "TopK"};
/// Ops that only move or choose values: they follow what is around them.
constexpr std::string_view moves[] = {
    "Abs", "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Neg",
    "Pad", "Reshape", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze", "Where"};

bool is_half(const Value* value) {
  return value && (value->dtype() == DType::f16 || value->dtype() == DType::bf16);
}
template <class List>
bool listed(const List& list, const Node& node) {
  return std::find(std::begin(list), std::end(list), std::string_view(node.op().type())) != std::end(list);
}

class Widening {
 public:
  explicit Widening(Graph& graph) : graph_(graph) {}

  bool run() {
    bool pays = false;
    for (Node* node : graph_.node_list()) pays = pays || (widens(*node) && listed(computes, *node));
    if (!pays) return false;
    for (Node* node : graph_.node_list()) {
      if (node->is("Cast")) pass_cast(node);
      else if (widens(*node)) widen(node);
    }
    graph_.remove_dead();
    return true;
  }

 private:
  static bool widens(const Node& node) {
    if (*node.op().domain() || (!listed(computes, node) && !listed(moves, node))) return false;
    for (const Value* input : node.inputs())
      if (input && is_float(input->dtype()) && !is_half(input)) return false;
    return std::any_of(node.inputs().begin(), node.inputs().end(), is_half);
  }

  /// The value in f32.
  Value* wide(Node* before, Value* value) {
    if (auto known = twin_.find(value); known != twin_.end()) return known->second;
    Value* result = Builder(graph_, before).make("Cast", {value}, {{"to", static_cast<int64_t>(DType::f32)}});
    return twin_[value] = result;
  }

  /// The model's own casts between f32 and the short type.
  void pass_cast(Node* node) {
    Value *from = node->input(0), *to = node->output();
    if (from->dtype() == DType::f32 && is_half(to)) twin_[to] = from;
    auto known = twin_.find(from);
    if (to->dtype() == DType::f32 && is_half(from) && known != twin_.end()) graph_.replace_uses(to, known->second);
  }

  void widen(Node* node) {
    std::vector<Value*> inputs = node->inputs();
    for (Value*& input : inputs)
      if (is_half(input)) input = wide(node, input);
    Node* made = graph_.insert_before(node, node->op().clone(), inputs, node->name + "/f32",
                                      static_cast<int>(node->outputs().size()));
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      Value *old = node->output(i), *result = made->output(i);
      if (is_half(old)) {
        Attributes to{{"to", static_cast<int64_t>(old->dtype())}};
        Value* narrow = Builder(graph_, node).make("Cast", {result}, to);
        twin_[narrow] = result;
        result = narrow;
      }
      graph_.replace_uses(old, result);
    }
  }

  Graph& graph_;
  std::unordered_map<Value*, Value*> twin_;  ///< the same values in f32
};

}  // namespace

void widen_halves(Graph& graph) {
  if (Widening(graph).run()) optimize(graph);  // constants are f32 now
}

void expand(Graph& graph) {
  widen_halves(graph);
  expand_einsum(graph);
  expand_formulas(graph);
  expand_three_dimensions(graph);
}

}  // namespace hone
