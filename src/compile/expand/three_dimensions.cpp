#include <limits>

#include "compile/expand/build.hpp"
#include "compile/expand/expand.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/pooling/average_pool.hpp"
#include "graph/ops/nn/pooling/max_pool.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/nn/window.hpp"
#include "graph/ops/shape/transpose.hpp"

// conv(x, w)[d] = sum over i of conv2d(x[d stride + i dilation - pad], w[:, :, i]): frames are images of a batch.
namespace hone {

namespace {

const std::vector<int64_t> frames_first{2, 0, 1, 3, 4}, frames_back{1, 2, 0, 3, 4};

/// What one node does along the frames, and the window of each frame.
struct Frames {
  int64_t taps, stride, dilation, before, after;
  int64_t count;       ///< of the result
  Attributes window;   ///< of the op on a frame
};

Frames frames_of(const Node& node, const ops::WindowAttributes& attributes, const Dims& kernel) {
  Dims x = node.input(0)->shape().concrete(), y = node.output()->shape().concrete();
  ops::Window window = ops::resolve_window(node.place(), attributes, {x.begin() + 2, x.end()}, kernel);
  Frames frames{window.kernel[0], window.strides[0], window.dilations[0], window.pads_begin[0], 0, y[2], {}};
  frames.after = std::max<int64_t>(
      0, (frames.taps - 1) * frames.dilation + (y[2] - 1) * frames.stride + 1 - x[2] - frames.before);
  auto last_two = [](const Dims& list) { return std::vector<int64_t>{list[1], list[2]}; };
  std::vector<int64_t> pads = last_two(window.pads_begin), ends = last_two(window.pads_end);
  pads.insert(pads.end(), ends.begin(), ends.end());
  frames.window = {{"kernel_shape", last_two(window.kernel)},
                   {"strides", last_two(window.strides)},
                   {"dilations", last_two(window.dilations)},
                   {"pads", pads}};
  if (attributes.ceil_mode) frames.window["ceil_mode"] = int64_t{1};
  return frames;
}

/// [N, C, D, H, W] as frames [D * N, C, H, W].
Value* split_frames(Builder& build, Value* x) {
  const auto* moved = x->producer() ? x->producer()->as<ops::Transpose>() : nullptr;
  Value* first = moved && moved->perm == frames_back ? x->producer()->input(0) : build.transpose(x, frames_first);
  Dims dims = first->shape().concrete();
  return build.reshape(first, {dims[0] * dims[1], dims[2], dims[3], dims[4]});
}

/// Frames [D * N, C, H, W] as [N, C, D, H, W].
Value* join_frames(Builder& build, Value* frames, int64_t batch) {
  Dims dims = frames->shape().concrete();
  return build.transpose(build.reshape(frames, {dims[0] / batch, batch, dims[1], dims[2], dims[3]}), frames_back);
}

/// The frames that tap i of each window sees, padded ones included.
Value* frames_of_tap(Builder& build, const Frames& frames, Value* padded, int64_t batch, int64_t i) {
  int64_t start = i * frames.dilation;
  if (frames.stride == 1) return build.slice(padded, 0, start * batch, frames.count * batch);
  if (batch == 1) return build.slice(padded, 0, start, frames.count, frames.stride);
  Dims dims = padded->shape().concrete();
  Value* apart = build.reshape(padded, {dims[0] / batch, batch, dims[1], dims[2], dims[3]});
  return build.reshape(build.slice(apart, 0, start, frames.count, frames.stride),
                       {frames.count * batch, dims[1], dims[2], dims[3]});
}

/// Activations behind `node` that work on single elements come before its frames are joined.
void replace(Graph& graph, Node* node, Value* frames, int64_t batch) {
  Node* last = node;
  ops::FusedActivation activation;
  while (Node* next = single_user(graph, last->output())) {
    if (next->input(0) != last->output() || !ops::fusable_activation(*next, activation)) break;
    std::vector<Value*> arguments = next->inputs();
    arguments[0] = frames;
    frames = graph.insert_before(next, next->op().clone(), arguments, next->name + "/frames")->output();
    last = next;
  }
  Builder build(graph, last);
  graph.replace_uses(last->output(), join_frames(build, frames, batch));
}

bool expand_conv(Graph& graph, Node* node) {
  const auto* op = node->as<ops::Conv>();
  auto weights = op ? constant_floats(node->input(1)) : std::nullopt;
  if (!weights) return false;
  Builder build(graph, node);
  Dims w = weights->dims();
  Frames frames = frames_of(*node, ops::window_attributes(*op), {w.begin() + 2, w.end()});
  frames.window["group"] = op->group;
  int64_t batch = node->input(0)->shape()[0].value;
  Value* x = build.pad(split_frames(build, node->input(0)), 0, frames.before * batch, frames.after * batch, 0);
  Value *taps = graph.add_constant(node->name + "/taps", *weights), *total = nullptr;
  for (int64_t i = 0; i < frames.taps; ++i) {
    Value* tap = build.reshape(build.slice(taps, 2, i, 1), {w[0], w[1], w[3], w[4]});
    std::vector<Value*> inputs{frames_of_tap(build, frames, x, batch, i), tap};
    if (i == 0 && node->input(2)) inputs.push_back(node->input(2));
    Value* part = build.make("Conv", inputs, frames.window);
    total = total ? build.make("Add", {part, total}) : part;
  }
  replace(graph, node, total, batch);
  return true;
}

bool expand_pool(Graph& graph, Node* node) {
  const auto* maximum = node->as<ops::MaxPool>();
  const auto* average = node->as<ops::AveragePool>();
  if ((!maximum && !average) || node->outputs().size() != 1) return false;
  Frames frames =
      frames_of(*node, maximum ? ops::window_attributes(*maximum) : ops::window_attributes(*average), {});
  Builder build(graph, node);
  if (average) {
    // The mean of means is the mean where every window counts as many elements.
    std::vector<int64_t> pads = std::get<std::vector<int64_t>>(frames.window["pads"]);
    bool padded = frames.before > 0 || frames.after > 0 || pads != std::vector<int64_t>(4, 0);
    if (average->ceil_mode || (padded && !average->count_include_pad)) return false;
    frames.window["count_include_pad"] = average->count_include_pad;
  }
  int64_t batch = node->input(0)->shape()[0].value;
  Value* x = build.make(node->op().type(), {split_frames(build, node->input(0))}, frames.window);
  float outside = maximum ? -std::numeric_limits<float>::infinity() : 0;
  x = build.pad(x, 0, frames.before * batch, frames.after * batch, outside);
  Value* total = nullptr;
  for (int64_t i = 0; i < frames.taps; ++i) {
    Value* part = frames_of_tap(build, frames, x, batch, i);
    total = total ? build.make(maximum ? "Max" : "Add", {total, part}) : part;
  }
  if (average && frames.taps > 1)
    total = build.make("Mul", {total, build.number(1.0f / static_cast<float>(frames.taps))});
  replace(graph, node, total, batch);
  return true;
}

/// resize(x, [d, h, w]) => resize(resize(x, [., h, w]), [d, ., .])
bool expand_resize(Graph& graph, Node* node) {
  const auto* op = node->as<ops::Resize>();
  if (!op || op->coordinate_transformation_mode == "tf_crop_and_resize") return false;
  if (!op->axes.empty() || op->keep_aspect_ratio_policy != "stretch") return false;
  size_t which = node->input(3) ? 3 : 2;
  const Value* wanted = node->input(which);
  if (!wanted || !wanted->is_constant() || wanted->constant().size() != 5) return false;
  Dims x = node->input(0)->shape().concrete(), y = node->output()->shape().concrete();
  if (x[0] != y[0] || x[1] != y[1]) return false;
  Builder build(graph, node);
  Tensor first = wanted->constant().clone();
  if (which == 3) first.mutable_data<int64_t>()[2] = x[2];
  else first.mutable_data<float>()[2] = 1;
  Tensor second = wanted->constant().clone();
  for (size_t i : {size_t{3}, size_t{4}}) {
    if (which == 3) second.mutable_data<int64_t>()[i] = y[i];
    else second.mutable_data<float>()[i] = 1;
  }
  Value* value = node->input(0);
  for (const Tensor& sizes : {first, second}) {
    std::vector<Value*> inputs(which + 1, nullptr);
    inputs[0] = value, inputs[which] = graph.add_constant(node->name + "/sizes", sizes);
    value = build.make("Resize", inputs, get_attributes(*op));
  }
  graph.replace_uses(node->output(), value);
  return true;
}

bool has_frames(const Node& node) {
  if (node.inputs().empty() || node.outputs().empty() || !node.input(0)) return false;
  const Shape &x = node.input(0)->shape(), &y = node.output()->shape();
  if (!x.is_static() || !y.is_static() || x.rank() != 5 || node.output()->dtype() != DType::f32) return false;
  return element_count(x.concrete()) > 0 && element_count(y.concrete()) > 0;
}

}  // namespace

void expand_three_dimensions(Graph& graph) {
  bool changed = false;
  for (Node* node : graph.node_list())
    if (has_frames(*node) && (expand_conv(graph, node) || expand_pool(graph, node) || expand_resize(graph, node)))
      changed = true;
  if (changed) graph.remove_dead();
}

}  // namespace hone
