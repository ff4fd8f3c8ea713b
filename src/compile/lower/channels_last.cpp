#include <algorithm>
#include <array>
#include <unordered_map>

#include "compile/expand/expand.hpp"
#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/reduce/reduction.hpp"
#include "graph/ops/shape/concat.hpp"
#include "graph/ops/shape/split.hpp"
#include "graph/ops/shape/transpose.hpp"

namespace hone {

namespace {

using ops::Fused;

/// Where axis i of an NCHW tensor lies in its NHWC twin.
constexpr std::array<int64_t, 4> last_axis{0, 3, 1, 2};

bool rank_4(const Value* value) { return value && value->shape().ranked && value->shape().rank() == 4; }

/// Ops whose kernels want NHWC (rank 4).
bool wants_channels_last(const Node& node) {
  static const char* const types[] = {"Conv",
                                      "ConvTranspose",
                                      "MaxPool",
                                      "AveragePool",
                                      "GlobalAveragePool",
                                      "GlobalMaxPool",
                                      "BatchNormalization",
                                      "DepthToSpace",
                                      "SpaceToDepth",
                                      "LRN",
                                      "InstanceNormalization",
                                      "IntegerConv"};
  const auto* fused = node.as<Fused>();
  std::string_view type = fused ? fused->inner->type() : node.op().type();
  if (!rank_4(node.input(0)) || !rank_4(node.output()) || node.outputs().size() != 1) return false;
  for (const char* candidate : types)
    if (type == candidate) return true;
  return false;
}

/// Rewrites the graph node by node; `twin_` knows the NHWC form of NCHW values.
class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  void run() {
    for (Node* node : graph_.node_list()) visit(node);
    graph_.remove_dead();
  }

 private:
  void visit(Node* node) {
    if (wants_channels_last(*node)) return wrap(node);
    if (fold_transpose(node) || fold_flatten(node)) return;
    bool any = false;
    for (Value* input : node->inputs()) any |= input && twin_.count(input) > 0;
    if (!any) return;
    keep_elementwise(node) || move_axis(node) || move_axes_input(node) || pad(node) || resize(node) || shuffle(node);
  }

  /// The NHWC form of an NCHW value: known, a permuted constant, or behind a new Transpose.
  Value* last(Value* value, Node* before) {
    auto it = twin_.find(value);
    if (it != twin_.end()) return it->second;
    Value* made;
    if (value->is_constant())
      made = graph_.add_constant(value->name + "/nhwc", ops::to_channels_last(value->constant()));
    else
      made = transpose(value, {0, 2, 3, 1}, before, value->name + "/nhwc");
    return twin_[value] = made;
  }

  Value* transpose(Value* value, std::vector<int64_t> perm, Node* before, const std::string& name) {
    return graph_.insert_before(before, new_op("Transpose", {{"perm", std::move(perm)}}), {value}, name)->output();
  }

  /// `made` computes in NHWC what `node` computed in NCHW.
  void replace(Node* node, Node* made) {
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      Value* old = node->output(i);
      Value* back = transpose(made->output(i), {0, 3, 1, 2}, node, old->name + "/nchw");
      twin_[back] = made->output(i);
      graph_.replace_uses(old, back);
    }
  }

  void wrap(Node* node) {
    std::unique_ptr<Fused> fused;
    if (const auto* existing = node->as<Fused>()) {
      fused = std::make_unique<Fused>(*existing);
    } else {
      fused = std::make_unique<Fused>();
      fused->inner = node->op().clone();
      fused->inner_inputs = static_cast<int64_t>(node->inputs().size());
    }
    fused->channels_last = true;
    std::vector<Value*> inputs = node->inputs();
    for (size_t i = 0; i < inputs.size(); ++i)
      if (fused->input_has_layout(i) && rank_4(inputs[i])) inputs[i] = last(inputs[i], node);
    replace(node, graph_.insert_before(node, std::move(fused), inputs, node->name + "/nhwc"));
  }

  /// Elementwise with broadcasting: every input gets an NHWC form or is a scalar.
  bool keep_elementwise(Node* node) {
    const auto* fused = node->as<Fused>();
    const Op& op = fused ? *fused->inner : node->op();
    bool per_tensor = node->is("QuantizeLinear") || node->is("DequantizeLinear");
    if (!op.has(Trait::elementwise) && !per_tensor) return false;
    if (!rank_4(node->output())) return false;
    std::vector<Value*> inputs = node->inputs();
    for (size_t i = 0; i < inputs.size(); ++i) {
      Value* input = inputs[i];
      if (!input || !input->shape().is_static()) {
        if (input) return false;
        continue;
      }
      if (element_count(input->shape().concrete()) == 1 && !rank_4(input)) continue;  // scales, bounds, scalars
      if (per_tensor && i > 0) return false;  // per-axis parameters
      if (rank_4(input)) continue;
      if (!input->is_constant() || input->shape().rank() > 4) return false;
      Dims dims(static_cast<size_t>(4 - input->shape().rank()), 1);
      for (const Dim& dim : input->shape().dims) dims.push_back(dim.value);
      inputs[i] = graph_.add_constant(input->name + "/rank4", input->constant().reshaped(dims));
    }
    for (Value*& input : inputs)
      if (rank_4(input)) input = last(input, node);
    replace(node, graph_.insert_before(node, node->op().clone(), inputs, node->name + "/nhwc",
                                       static_cast<int>(node->outputs().size())));
    return true;
  }

  /// Concat, Split, Softmax: the axis is renamed.
  bool move_axis(Node* node) {
    const auto* fused = node->as<Fused>();
    std::string_view type = fused ? fused->inner->type() : node->op().type();
    static const char* const types[] = {"Concat", "Split", "Softmax", "LogSoftmax", "ArgMax", "ArgMin"};
    if (std::find(std::begin(types), std::end(types), type) == std::end(types)) return false;
    for (Value* output : node->outputs())
      if (!rank_4(output)) return false;
    std::unique_ptr<Op> op = node->op().clone();
    auto rename = [](Op& target) {
      Attributes attributes = get_attributes(target);
      int64_t axis = -1;
      if (auto it = attributes.find("axis"); it != attributes.end()) axis = std::get<int64_t>(it->second);
      attributes["axis"] = last_axis[static_cast<size_t>(axis < 0 ? axis + 4 : axis)];
      set_attributes(target, attributes);
    };
    if (fused) {
      auto inner = fused->inner->clone();
      rename(*inner);
      dynamic_cast<Fused&>(*op).inner = std::move(inner);
    } else {
      rename(*op);
    }
    std::vector<Value*> inputs = node->inputs();
    for (Value*& input : inputs)
      if (rank_4(input)) input = last(input, node);
    replace(node, graph_.insert_before(node, std::move(op), inputs, node->name + "/nhwc",
                                       static_cast<int>(node->outputs().size())));
    return true;
  }

  /// Slice and reductions with kept dimensions: the constant axes are renamed.
  bool move_axes_input(Node* node) {
    bool slice = node->is("Slice"), reduction = dynamic_cast<const ops::Reduction*>(&node->op()) != nullptr;
    if ((!slice && !reduction) || !rank_4(node->output()) || !twin_.count(node->input(0))) return false;
    size_t place = slice ? 3 : 1;
    std::vector<Value*> inputs = node->inputs();
    std::vector<int64_t> axes;
    if (Value* given = node->input(place)) {
      if (!given->is_constant()) return false;
      axes = given->constant().to_ints();
    } else if (slice) {
      if (!node->input(1)->shape().is_static()) return false;
      for (int64_t i = 0; i < node->input(1)->shape()[0].value; ++i) axes.push_back(i);
    }
    for (int64_t& axis : axes) axis = last_axis[static_cast<size_t>(axis < 0 ? axis + 4 : axis)];
    inputs[0] = last(inputs[0], node);
    if (!axes.empty()) {
      inputs.resize(std::max(inputs.size(), place + 1), nullptr);
      inputs[place] =
          graph_.add_constant(node->name + "/axes", Tensor::of<int64_t>({static_cast<int64_t>(axes.size())}, axes));
    }
    replace(node, graph_.insert_before(node, node->op().clone(), inputs, node->name + "/nhwc"));
    return true;
  }

  /// Pad by constant numbers: they are put in the other order.
  bool pad(Node* node) {
    if (!node->is("Pad") || !rank_4(node->output()) || !node->input(1)->is_constant() || node->input(3)) return false;
    std::vector<int64_t> given = node->input(1)->constant().to_ints(), moved(8);
    if (given.size() != moved.size()) return false;
    for (size_t i = 0; i < 4; ++i) {
      auto to = static_cast<size_t>(last_axis[i]);
      moved[to] = given[i], moved[to + 4] = given[i + 4];
    }
    std::vector<Value*> inputs = node->inputs();
    inputs[0] = last(inputs[0], node);
    inputs[1] = graph_.add_constant(node->name + "/pads", Tensor::of<int64_t>({8}, moved));
    replace(node, graph_.insert_before(node, node->op().clone(), inputs, node->name + "/nhwc"));
    return true;
  }

  /// Reshape to groups of channels, exchange of the two axes, Reshape back: in NHWC each pixel by itself.
  bool shuffle(Node* node) {
    auto found = match_shuffle(graph_, node);
    if (!found) return false;
    Dims x = node->input(0)->shape().concrete();
    auto reshape = [&](Value* value, const Dims& dims) {
      Value* sizes =
          graph_.add_constant(node->name + "/sizes", Tensor::of<int64_t>({static_cast<int64_t>(dims.size())}, dims));
      return graph_.insert_before(found->last, new_op("Reshape"), {value, sizes}, node->name + "/nhwc");
    };
    Value* value =
        reshape(last(node->input(0), node), {x[0], x[2], x[3], found->groups, x[1] / found->groups})->output();
    value = transpose(value, {0, 1, 2, 4, 3}, found->last, node->name + "/shuffle");
    replace(found->last, reshape(value, {x[0], x[2], x[3], x[1]}));
    return true;
  }

  bool resize(Node* node) {
    const auto* fused = node->as<Fused>();
    if (std::string_view(fused ? fused->inner->type() : node->op().type()) != "Resize" || !rank_4(node->output()))
      return false;
    // What the caller gets is NCHW: transposing the input, which is smaller, costs less.
    bool grows = element_count(node->output()->shape().concrete()) > element_count(node->input(0)->shape().concrete());
    if (graph_.is_output(node->output()) && node->output()->uses().empty() && grows) return false;
    const Shape &in = node->input(0)->shape(), &out = node->output()->shape();
    if (!(in[0] == out[0]) || !(in[1] == out[1])) return false;
    wrap(node);
    return true;
  }

  /// Transpose of a value with an NHWC form starts from that form, and is nothing when it asks for NHWC.
  bool fold_transpose(Node* node) {
    const auto* op = node->as<ops::Transpose>();
    if (op && rank_4(node->input(0)) && op->perm == std::vector<int64_t>{0, 3, 1, 2}) {
      twin_[node->output()] = node->input(0);
      return true;
    }
    if (!op || !rank_4(node->input(0)) || !twin_.count(node->input(0)) || op->perm.size() != 4) return false;
    std::vector<int64_t> perm;
    for (int64_t axis : op->perm) perm.push_back(last_axis[static_cast<size_t>(axis)]);
    Value* source = twin_.at(node->input(0));
    bool identity = perm == std::vector<int64_t>{0, 1, 2, 3};
    graph_.replace_uses(node->output(), identity ? source : transpose(source, perm, node, node->name + "/nhwc"));
    return true;
  }

  /// Reshape of [N, C, 1, 1] reads the same memory in either layout.
  bool fold_flatten(Node* node) {
    if (!(node->is("Reshape") || node->is("Flatten") || node->is("Squeeze")) || !rank_4(node->input(0)) ||
        !twin_.count(node->input(0)) || !node->output()->shape().is_static())
      return false;
    const Shape& in = node->input(0)->shape();
    if (!(in[2] == Dim(1) && in[3] == Dim(1)) && !(in[1] == Dim(1))) return false;
    Dims dims = node->output()->shape().concrete();
    Value* sizes =
        graph_.add_constant(node->name + "/sizes", Tensor::of<int64_t>({static_cast<int64_t>(dims.size())}, dims));
    for (int64_t dim : dims)
      if (dim == 0) return false;
    Node* made = graph_.insert_before(node, new_op("Reshape"), {twin_.at(node->input(0)), sizes}, node->name + "/nhwc");
    graph_.replace_uses(node->output(), made->output());
    return true;
  }

  Graph& graph_;
  std::unordered_map<Value*, Value*> twin_;
};

}  // namespace

void use_channels_last(Graph& graph) { Rewriter(graph).run(); }

void lower(Graph& graph) {
  expand(graph);
  fuse_image_input(graph);
  dissolve_qlinear(graph);
  take_weight_zero_points(graph);
  find_channel_moves(graph);
  add_second_dimension(graph);
  unfold_transposed(graph);
  trim_padding_taps(graph);
  fuse_integer_products(graph);
  fuse_compute(graph);
  fuse_others(graph);
  use_channels_last(graph);
  graph.infer();
}

}  // namespace hone
