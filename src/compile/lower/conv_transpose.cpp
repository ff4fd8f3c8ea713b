#include <array>

#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/nn/conv_transpose.hpp"

// conv_transpose(x, w, stride s) => crop(depth_to_space(conv(x, w'), s)): the output pixels of each of the s * s phases
// are an ordinary convolution of x with every s-th tap of w, so that all phases are one convolution with s * s times
// the channels (Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016).
namespace hone {

namespace {

/// One axis: output o lies at phase (o + crop) % stride of block (o + crop) / stride.
struct Phases {
  int64_t stride = 1, pad = 0, kernel = 1, crop = 0;
  int64_t lo = 0, taps = 1;  ///< input offsets [lo, lo + taps) reach a block
  int64_t blocks = 0, pad_begin = 0, pad_end = 0;

  /// Phase r takes kernel position first(r) + stride * j at input offset shift(r) - j.
  int64_t first(int64_t r) const { return ((r + pad - crop) % stride + stride) % stride; }
  int64_t shift(int64_t r) const { return (r + pad - crop - first(r)) / stride; }
  /// The kernel position that phase r multiplies with tap t; -1 for none.
  int64_t position(int64_t r, int64_t t) const {
    int64_t j = shift(r) - (lo + t), k = first(r) + stride * j;
    return j >= 0 && k < kernel ? k : -1;
  }

  void span() {
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (int64_t r = 0; r < stride; ++r) {
      int64_t count = first(r) < kernel ? (kernel - first(r) + stride - 1) / stride : 0;
      if (count == 0) continue;
      high = std::max(high, shift(r));
      low = std::min(low, shift(r) - count + 1);
    }
    lo = low, taps = high - low + 1;
  }
};

/// The crop with the fewest taps; nullopt when the convolution would need negative pads.
std::optional<Phases> resolve_phases(int64_t stride, int64_t pad, int64_t kernel, int64_t input, int64_t output) {
  std::optional<Phases> best;
  for (int64_t crop = 0; crop < stride; ++crop) {
    Phases phases;
    phases.stride = stride, phases.pad = pad, phases.kernel = kernel, phases.crop = crop;
    phases.span();
    phases.blocks = (output + crop + stride - 1) / stride;
    phases.pad_begin = -phases.lo;
    phases.pad_end = phases.blocks - 1 + phases.lo + phases.taps - input;
    if (phases.pad_begin < 0 || phases.pad_end < 0) continue;
    if (!best || phases.taps < best->taps) best = phases;
  }
  return best;
}

int64_t begin_pad(const ops::ConvTranspose& op, size_t axis, int64_t input, int64_t output, int64_t kernel,
                  int64_t stride) {
  bool same = op.auto_pad == "SAME_UPPER" || op.auto_pad == "SAME_LOWER";
  if (op.output_shape.empty() && !same) return op.pads.empty() || op.auto_pad == "VALID" ? 0 : op.pads[axis];
  int64_t extra = op.output_padding.empty() ? 0 : op.output_padding[axis];
  int64_t total = std::max<int64_t>(0, (input - 1) * stride + extra + kernel - output);
  return op.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
}

/// What the rewrite of one node needs to know.
struct Plan {
  std::array<Phases, 2> axis;
  int64_t group = 1, in = 0, out = 0;  ///< channels of all groups
  int64_t stride() const { return axis[0].stride; }
  int64_t phases() const { return stride() * stride(); }
  /// Where channel m of phase p lies: by phases, or by channels when there are groups, which then stay together.
  int64_t channel(int64_t p, int64_t m) const { return group == 1 ? p * out + m : m * phases() + p; }
};

template <class T>
Tensor phase_weights(const Plan& plan, const Tensor& w) {
  const auto& [rows, columns] = plan.axis;
  int64_t each = plan.in / plan.group, outs = plan.out / plan.group, s = plan.stride();
  Tensor result = Tensor::zeros(w.dtype(), {plan.out * plan.phases(), each, rows.taps, columns.taps});
  const T* from = w.data<T>().data();
  T* to = result.mutable_data<T>().data();
  for (int64_t m = 0; m < plan.out; ++m)
    for (int64_t p = 0; p < plan.phases(); ++p)
      for (int64_t c = 0; c < each; ++c)
        for (int64_t ty = 0; ty < rows.taps; ++ty)
          for (int64_t tx = 0; tx < columns.taps; ++tx) {
            int64_t ky = rows.position(p / s, ty), kx = columns.position(p % s, tx);
            if (ky < 0 || kx < 0) continue;
            int64_t source =
                ((m / outs * each + c) * outs + m % outs) * rows.kernel * columns.kernel + ky * columns.kernel + kx;
            to[((plan.channel(p, m) * each + c) * rows.taps + ty) * columns.taps + tx] = from[source];
          }
  return result;
}

Tensor phase_vector(const Plan& plan, const std::vector<float>& values) {
  Tensor result(DType::f32, {plan.out * plan.phases()});
  for (int64_t m = 0; m < plan.out; ++m)
    for (int64_t p = 0; p < plan.phases(); ++p)
      result.mutable_data<float>()[static_cast<size_t>(plan.channel(p, m))] = values[static_cast<size_t>(m)];
  return result;
}

std::optional<Plan> make_plan(const Node& node, const ops::ConvTranspose& op) {
  const Shape &x = node.input(0)->shape(), &y = node.output()->shape();
  if (!x.is_static() || !y.is_static() || x.rank() != 4 || node.output()->dtype() != DType::f32) return std::nullopt;
  for (int64_t dilation : op.dilations)
    if (dilation != 1) return std::nullopt;
  Shape w = node.input(1)->shape();
  Plan plan;
  plan.group = op.group;
  plan.in = x[1].value, plan.out = y[1].value;
  for (size_t i = 0; i < 2; ++i) {
    int64_t stride = op.strides.empty() ? 1 : op.strides[i], kernel = w[i + 2].value, in = x[i + 2].value,
            out = y[i + 2].value;
    auto phases = resolve_phases(stride, begin_pad(op, i, in, out, kernel, stride), kernel, in, out);
    if (!phases) return std::nullopt;
    plan.axis[i] = *phases;
  }
  if (plan.axis[0].stride != plan.axis[1].stride || plan.stride() > 16) return std::nullopt;
  return plan;
}

/// The new weights: floats, or integers behind a dequantization of their own.
Value* make_weights(Graph& graph, Node* node, const Plan& plan) {
  Value* old = node->input(1);
  if (auto quantized = plan.group == 1 ? dequantized_weights(old, 1) : std::nullopt) {
    std::vector<float> scales = quantized->scales;
    if (scales.size() == 1) scales.assign(static_cast<size_t>(plan.out), scales[0]);
    Value* integers =
        graph.add_constant(node->name + "/phases", phase_weights<int8_t>(plan, quantized->value->constant()));
    Value* scale = graph.add_constant(node->name + "/phase_scales", phase_vector(plan, scales));
    return graph.insert_before(node, new_op("DequantizeLinear", {{"axis", int64_t{0}}}), {integers, scale})->output();
  }
  auto floats = constant_floats(old);
  if (!floats) return nullptr;
  return graph.add_constant(node->name + "/phases", phase_weights<float>(plan, *floats));
}

/// Crops `value` to the sizes of y.
Value* crop(Graph& graph, Node* before, const Plan& plan, Value* value, const Shape& y) {
  std::vector<int64_t> starts, ends;
  bool whole = true;
  for (size_t i = 0; i < 2; ++i) {
    starts.push_back(plan.axis[i].crop);
    ends.push_back(plan.axis[i].crop + y[i + 2].value);
    whole &= starts[i] == 0 && value->shape()[i + 2] == y[i + 2];
  }
  if (whole) return value;
  auto list = [&](const char* what, const std::vector<int64_t>& numbers) {
    return graph.add_constant(before->name + what, Tensor::of<int64_t>({2}, numbers));
  };
  return graph
      .insert_before(before, new_op("Slice"),
                     {value, list("/starts", starts), list("/ends", ends), list("/axes", {2, 3})})
      ->output();
}

void rewrite(Graph& graph, Node* node, const Plan& plan) {
  std::vector<Value*> inputs{node->input(0), make_weights(graph, node, plan)};
  if (!inputs[1]) return;
  if (node->input(2)) {
    auto bias = constant_floats(node->input(2));
    if (!bias) return;
    inputs.push_back(graph.add_constant(node->name + "/phase_bias", phase_vector(plan, bias->to_floats())));
  }
  const auto& [rows, columns] = plan.axis;
  Attributes attributes{
      {"group", plan.group},
      {"pads", std::vector<int64_t>{rows.pad_begin, columns.pad_begin, rows.pad_end, columns.pad_end}}};
  Shape y = node->output()->shape();
  Value* value = graph.insert_before(node, new_op("Conv", attributes), inputs, node->name + "/conv")->output();
  // What works on single elements comes before the move, where the convolution can take it in.
  Node* last = node;
  while (Node* next = single_user(graph, last->output())) {
    ops::FusedActivation activation;
    bool moves =
        next->input(0) == last->output() && (ops::fusable_activation(*next, activation) || quantize_params(*next));
    if (!moves) break;
    std::vector<Value*> arguments = next->inputs();
    arguments[0] = value;
    value = graph.insert_before(next, next->op().clone(), arguments, next->name + "/phases")->output();
    last = next;
  }
  if (plan.stride() > 1) {
    Attributes block{{"blocksize", plan.stride()}, {"mode", std::string(plan.group == 1 ? "DCR" : "CRD")}};
    value = graph.insert_before(last, new_op("DepthToSpace", block), {value}, node->name + "/blocks")->output();
  }
  graph.replace_uses(last->output(), crop(graph, last, plan, value, y));
}

}  // namespace

void unfold_transposed(Graph& graph) {
  for (Node* node : graph.node_list())
    if (const auto* op = node->as<ops::ConvTranspose>())
      if (auto plan = make_plan(*node, *op)) rewrite(graph, node, *plan);
  graph.remove_dead();
}

}  // namespace hone
