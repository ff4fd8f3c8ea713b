#include <cmath>

#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/fused/image_input.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/shape/cast.hpp"
#include "graph/ops/shape/gather.hpp"
#include "graph/ops/shape/transpose.hpp"

namespace hone {

namespace {

/// Follows the chain behind an image input and collects what it does.
class Chain {
 public:
  Chain(const Graph& graph, Value* image) : graph_(graph), value_(image) {
    int64_t channels = image->shape()[3].value;
    for (int64_t c = 0; c < channels; ++c) op_.source_channel.push_back(c);
    op_.scale.assign(static_cast<size_t>(channels), 1);
    op_.shift.assign(static_cast<size_t>(channels), 0);
  }

  bool collect() {
    while (Node* next = single_user(graph_, value_)) {
      if (next->input(0) != value_ || !take(*next)) break;
      value_ = next->output();
      last_ = next;
      if (op_.out.quantized()) break;
    }
    // Without the Transpose this is not the network's NCHW input; without the Cast nothing is computed.
    return cast_ && transposed_ && last_;
  }

  ops::ImageInput op_;
  Node* last_ = nullptr;

 private:
  bool take(Node& node) {
    if (const auto* cast = node.as<ops::Cast>()) return !cast_ && cast->to == DType::f32 && (cast_ = true);
    if (!cast_) return false;
    if (const auto* gather = node.as<ops::Gather>()) return take_gather(node, *gather);
    if (const auto* transpose = node.as<ops::Transpose>())
      return !transposed_ && transpose->perm == std::vector<int64_t>{0, 3, 1, 2} && (transposed_ = true);
    if (const auto* resize = node.as<ops::Resize>()) return take_resize(node, *resize);
    if (auto params = quantize_params(node)) {
      if (!transposed_) return false;
      op_.out = *params;
      op_.out_dtype = node.output()->dtype();
      return true;
    }
    return take_arithmetic(node);
  }

  bool take_gather(const Node& node, const ops::Gather& gather) {
    const Value* indices = node.input(1);
    int64_t axis = gather.axis < 0 ? gather.axis + 4 : gather.axis;
    if (axis != (transposed_ ? 1 : 3) || !indices->is_constant() || indices->constant().rank() != 1) return false;
    std::vector<int64_t> picked;
    std::vector<float> scale, shift;
    int64_t channels = static_cast<int64_t>(op_.source_channel.size());
    for (int64_t index : indices->constant().to_ints()) {
      size_t from = static_cast<size_t>(index < 0 ? index + channels : index);
      picked.push_back(op_.source_channel[from]);
      scale.push_back(op_.scale[from]);
      shift.push_back(op_.shift[from]);
    }
    if (picked.size() > 4 || picked.empty()) return false;
    op_.source_channel = picked, op_.scale = scale, op_.shift = shift;
    return true;
  }

  bool take_resize(const Node& node, const ops::Resize& resize) {
    const Shape& out = node.output()->shape();
    bool linear = resize.mode == "linear" && resize.coordinate_transformation_mode == "half_pixel" &&
                  !resize.exclude_outside && resize.keep_aspect_ratio_policy == "stretch";
    // Scales that do not give the sizes exactly sample elsewhere than sizes do.
    bool by_sizes = node.input(3) != nullptr;
    size_t channel_axis = transposed_ ? 1 : 3, first = transposed_ ? 2 : 1;
    if (op_.out_height > 0 || !linear || !by_sizes || !out.is_static() ||
        out[channel_axis].value != static_cast<int64_t>(op_.source_channel.size()))
      return false;
    op_.out_height = out[first].value;
    op_.out_width = out[first + 1].value;
    op_.antialias = resize.antialias != 0;
    return true;
  }

  /// x op c with one constant, or one a channel. Linear resizing commutes with it.
  bool take_arithmetic(const Node& node) {
    bool add = node.is("Add"), sub = node.is("Sub"), mul = node.is("Mul"), div = node.is("Div");
    if (!(add || sub || mul || div) || node.inputs().size() != 2) return false;
    const Value* other = node.input(1);
    if (!other->is_constant() || other->dtype() != DType::f32) return false;
    std::vector<float> numbers = other->constant().to_floats();
    size_t channels = op_.source_channel.size();
    Dims dims = other->constant().dims();
    size_t axis_from_end = transposed_ ? 3 : 1;
    bool per_channel = numbers.size() == channels && dims.size() >= axis_from_end &&
                       dims[dims.size() - axis_from_end] == static_cast<int64_t>(channels);
    if (numbers.size() != 1 && !per_channel) return false;
    for (size_t c = 0; c < channels; ++c) {
      float k = numbers[numbers.size() == 1 ? 0 : c];
      if (add) op_.shift[c] += k;
      if (sub) op_.shift[c] -= k;
      if (mul) op_.scale[c] *= k, op_.shift[c] *= k;
      if (div) op_.scale[c] /= k, op_.shift[c] /= k;
      if (!std::isfinite(op_.scale[c]) || !std::isfinite(op_.shift[c])) return false;
    }
    return true;
  }

  const Graph& graph_;
  Value* value_;
  bool cast_ = false, transposed_ = false;
};

}  // namespace

void fuse_image_input(Graph& graph) {
  for (Value* image : graph.inputs()) {
    const Shape& shape = image->shape();
    if (image->dtype() != DType::u8 || !shape.is_static() || shape.rank() != 4 || shape[3].value < 1 ||
        shape[3].value > 4)
      continue;
    Chain chain(graph, image);
    if (!chain.collect()) continue;
    Node* made = graph.insert_before(chain.last_, std::make_unique<ops::ImageInput>(chain.op_), {image}, "image_input");
    Node* back = graph.insert_before(chain.last_, new_op("Transpose", {{"perm", std::vector<int64_t>{0, 3, 1, 2}}}),
                                     {made->output()}, "image_input/nchw");
    graph.replace_uses(chain.last_->output(), back->output());
  }
  graph.remove_dead();
}

}  // namespace hone
