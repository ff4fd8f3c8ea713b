#include <cstring>

#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/window.hpp"

// conv(x, w) whose outer taps read nothing but padding, at every output  =>  conv(x, w without them). With the
// dilations of atrous spatial pyramids on small maps (Chen et al. 2017, section 3.3) a 3x3 kernel is often no more than
// its center.
namespace hone {

namespace {

/// The taps [first, first + count) of one axis that read the input at some output, and the pads that then remain.
struct Taps {
  int64_t first = 0, count = 0, pad_begin = 0, pad_end = 0;
};

std::optional<Taps> live_taps(const ops::Window& window, size_t axis, int64_t input, int64_t output) {
  int64_t kernel = window.kernel[axis], step = window.dilations[axis], reach = (output - 1) * window.strides[axis];
  auto reads_input = [&](int64_t tap) {
    int64_t lowest = tap * step - window.pads_begin[axis];
    // With a stride, positions between the outputs may be all that lies inside: such a tap is kept.
    return lowest < input && lowest + reach >= 0;
  };
  int64_t first = 0, last = kernel - 1;
  while (first < last && !reads_input(first)) ++first;
  while (last > first && !reads_input(last)) --last;
  Taps taps{first, last - first + 1, window.pads_begin[axis] - first * step,
            window.pads_end[axis] - (kernel - 1 - last) * step};
  if (taps.count == kernel || taps.pad_begin < 0 || taps.pad_end < 0) return std::nullopt;
  return taps;
}

/// [M, C, kernel rows, kernel columns] with only those taps.
Tensor cut(const Tensor& weights, const Taps& rows, const Taps& columns) {
  Tensor result(weights.dtype(), {weights.dim(0), weights.dim(1), rows.count, columns.count});
  size_t element = size_of(weights.dtype()), line = static_cast<size_t>(columns.count) * element;
  auto* out = static_cast<char*>(result.mutable_raw());
  const auto* in = static_cast<const char*>(weights.raw());
  for (int64_t plane = 0; plane < weights.dim(0) * weights.dim(1); ++plane)
    for (int64_t row = 0; row < rows.count; ++row, out += line) {
      int64_t at = (plane * weights.dim(2) + rows.first + row) * weights.dim(3) + columns.first;
      std::memcpy(out, in + static_cast<size_t>(at) * element, line);
    }
  return result;
}

void trim(Graph& graph, Node* node) {
  const auto* conv = node->as<ops::Conv>();
  if (!conv || node->input(0)->shape().rank() != 4 || !node->input(0)->shape().is_static()) return;
  Value* weights = node->input(1);
  Node* dequantize = weights->producer() && weights->producer()->is("DequantizeLinear") ? weights->producer() : nullptr;
  Value* stored = dequantize ? dequantize->input(0) : weights;
  if (!stored->is_constant() || stored->constant().rank() != 4) return;
  if (dequantize && dequantize->input(1)->shape().rank() > 1) return;  // scales a block of taps
  Dims x = node->input(0)->shape().concrete(), y = node->output()->shape().concrete();
  const Dims& kernel = stored->constant().dims();
  ops::Window window =
      ops::resolve_window(node->place(), ops::window_attributes(*conv), {x[2], x[3]}, {kernel[2], kernel[3]});
  auto whole = [&](size_t axis) {
    return Taps{0, window.kernel[axis], window.pads_begin[axis], window.pads_end[axis]};
  };
  std::optional<Taps> rows = live_taps(window, 0, x[2], y[2]), columns = live_taps(window, 1, x[3], y[3]);
  if (!rows && !columns) return;
  Taps r = rows.value_or(whole(0)), c = columns.value_or(whole(1));
  Value* fewer = graph.add_constant(stored->name + "/taps", cut(stored->constant(), r, c));
  if (dequantize) {
    std::vector<Value*> inputs = dequantize->inputs();
    inputs[0] = fewer;
    fewer = graph.insert_before(node, new_op("DequantizeLinear", get_attributes(dequantize->op())), inputs)->output();
  }
  Attributes attributes = get_attributes(node->op());
  attributes.erase("auto_pad");
  attributes["kernel_shape"] = std::vector<int64_t>{r.count, c.count};
  attributes["pads"] = std::vector<int64_t>{r.pad_begin, c.pad_begin, r.pad_end, c.pad_end};
  graph.replace_op(node, new_op("Conv", attributes));
  graph.set_input(node, 1, fewer);
}

}  // namespace

void trim_padding_taps(Graph& graph) {
  for (Node* node : graph.node_list()) trim(graph, node);
  graph.remove_dead();
}

}  // namespace hone
