#include "compile/batch/sample_axis.hpp"

#include <algorithm>
#include <string_view>

#include "graph/ops/activation/hardmax.hpp"
#include "graph/ops/activation/log_softmax.hpp"
#include "graph/ops/activation/softmax.hpp"
#include "graph/ops/nn/attention/attention.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/normalization/batch_normalization.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/quant/dequantize_linear.hpp"
#include "graph/ops/quant/quantize_linear.hpp"
#include "graph/ops/reduce/arg_extreme.hpp"
#include "graph/ops/reduce/reduction.hpp"
#include "graph/ops/shape/concat.hpp"
#include "graph/ops/shape/gather.hpp"
#include "graph/ops/shape/split.hpp"
#include "graph/ops/shape/transpose.hpp"

namespace hone::batch {

bool CutNode::same_from(size_t first) const {
  for (size_t i = first; i < axes.size(); ++i)
    if (axes[i] != same) return false;
  return true;
}

namespace {

using Axis = std::optional<int>;
constexpr Axis refused = std::nullopt;

/// The attribute of an op whose class no header shows.
int64_t attribute(const Node& node, const char* name, int64_t absent) {
  const Attributes all = get_attributes(node.op());
  auto it = all.find(name);
  return it != all.end() && std::holds_alternative<int64_t>(it->second) ? std::get<int64_t>(it->second) : absent;
}

int from_front(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

/// Size of an input at a position counted from the last axis (1), as broadcasting does; 1 where it has none there.
int64_t dim_from_back(const CutNode& cut, size_t input, int back) {
  return back <= cut.rank(input) ? cut.dim(input, cut.rank(input) - back) : 1;
}
int back(const CutNode& cut, size_t input) { return cut.rank(input) - cut.axis(input); }
int output_rank(const CutNode& cut) { return cut.node.output()->shape().rank(); }

/// Convolutions, pooling and others whose first axis is the batch by definition.
Axis samples_first(const CutNode& cut) {
  return cut.axis(0) == 0 && cut.same_from(1) && cut.node.outputs().size() == 1 ? Axis(0) : refused;
}

Axis batch_normalization(const CutNode& cut) {
  return cut.node.as<ops::BatchNormalization>()->training_mode ? refused : samples_first(cut);
}

/// The batch axis keeps its size, so that its scale is 1: no mode mixes samples then.
Axis resize(const CutNode& cut) {
  const auto* op = cut.node.as<ops::Resize>();
  if (cut.axis(0) != 0 || cut.axis(1) != same || cut.axis(2) != same || !op->axes.empty() ||
      op->coordinate_transformation_mode == "tf_crop_and_resize" || op->keep_aspect_ratio_policy != "stretch")
    return refused;
  for (const Node* node : {&cut.node, &cut.whole})
    if (node->output()->shape()[0] != node->input(0)->shape()[0]) return refused;
  return 0;
}

/// All that broadcasts: what is not cut must not vary along the axis.
Axis elementwise(const CutNode& cut) {
  int position = 0;
  for (size_t i = 0; i < cut.axes.size(); ++i) {
    if (cut.axis(i) == other) return refused;
    if (cut.axis(i) == same) continue;
    if (position != 0 && position != back(cut, i)) return refused;
    position = back(cut, i);
  }
  for (size_t i = 0; i < cut.axes.size(); ++i)
    if (cut.has(i) && cut.axis(i) == same && dim_from_back(cut, i, position) != 1) return refused;
  return output_rank(cut) - position;
}

/// Reshape and its like keep the order of elements: the axis is where as many elements lie in front of it as before.
Axis view(const CutNode& cut) {
  if (cut.axis(0) < 0) return refused;
  const Dims in = cut.node.input(0)->shape().concrete(), out = cut.node.output()->shape().concrete();
  const Dims whole = cut.whole.output()->shape().concrete();
  if (out.size() != whole.size()) return refused;
  int64_t before_in = 1, before_out = 1;
  for (int i = 0; i < cut.axis(0); ++i) before_in *= in[static_cast<size_t>(i)];
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] != whole[i]) return before_in == before_out ? Axis(static_cast<int>(i)) : refused;
    before_out *= out[i];
  }
  return refused;
}

/// Softmax and its like: lines along `along` are independent of each other.
Axis except_along(const CutNode& cut, int64_t along) {
  if (cut.axis(0) < 0 || !cut.same_from(1) || cut.axis(0) == from_front(along, cut.rank(0))) return refused;
  return cut.axis(0);
}
template <class T>
Axis softmax(const CutNode& cut) {
  return except_along(cut, cut.node.as<T>()->axis);
}
Axis split(const CutNode& cut) { return except_along(cut, cut.node.as<ops::Split>()->axis); }
Axis along_last(const CutNode& cut) { return except_along(cut, attribute(cut.node, "axis", -1)); }

/// Scale and bias broadcast to what is normalized.
Axis normalization(const CutNode& cut) {
  const int first = from_front(attribute(cut.node, "axis", -1), cut.rank(0));
  if (cut.axis(0) < 0 || cut.axis(0) >= first || !cut.same_from(1)) return refused;
  for (size_t i = 1; i < cut.axes.size(); ++i)
    if (cut.has(i) && cut.rank(i) > cut.rank(0) - first) return refused;
  return cut.axis(0);
}

Axis reduction(const CutNode& cut) {
  const auto* op = cut.node.as<ops::Reduction>();
  const auto axes = op->reduced_axes(cut.node);
  if (cut.axis(0) < 0 || !cut.same_from(1) || !axes) return refused;
  int gone = 0;
  for (size_t axis : *axes) {
    if (static_cast<int>(axis) == cut.axis(0)) return refused;
    gone += !op->keepdims && static_cast<int>(axis) < cut.axis(0);
  }
  return cut.axis(0) - gone;
}

Axis arg_extreme(const CutNode& cut) {
  const auto* op = cut.node.as<ops::ArgExtreme>();
  const Axis kept = except_along(cut, op->axis);
  if (!kept || op->keepdims) return kept;
  return *kept - (from_front(op->axis, cut.rank(0)) < *kept);
}

Axis concat(const CutNode& cut) {
  const int axis = cut.axis(0);
  if (axis < 0 || axis == from_front(cut.node.as<ops::Concat>()->axis, cut.rank(0))) return refused;
  return std::all_of(cut.axes.begin(), cut.axes.end(), [&](int each) { return each == axis; }) ? Axis(axis) : refused;
}

Axis gather(const CutNode& cut) {
  const int along = from_front(cut.node.as<ops::Gather>()->axis, cut.rank(0));
  if (cut.axis(0) >= 0 && cut.axis(1) == same) {
    if (cut.axis(0) == along) return refused;
    return cut.axis(0) < along ? cut.axis(0) : cut.axis(0) - 1 + cut.rank(1);
  }
  return cut.axis(0) == same && cut.axis(1) >= 0 ? Axis(along + cut.axis(1)) : refused;
}

Axis gather_elements(const CutNode& cut) {
  const int along = from_front(attribute(cut.node, "axis", 0), cut.rank(0));
  return cut.axis(0) >= 0 && cut.axis(0) == cut.axis(1) && cut.axis(0) != along ? Axis(cut.axis(0)) : refused;
}

std::optional<std::vector<int64_t>> integers(const Value* value) {
  if (!value || !value->is_constant()) return std::nullopt;
  return value->constant().to_ints();
}

/// Where `axis` is in the list of axes that an op is about (absent: all of them, in order); -1: it is not.
std::optional<int> place_in(const CutNode& cut, size_t axes_input, int axis) {
  if (!cut.has(axes_input)) return axis;
  const auto axes = integers(cut.node.input(axes_input));
  if (!axes) return std::nullopt;
  for (size_t i = 0; i < axes->size(); ++i)
    if (from_front((*axes)[i], cut.rank(0)) == axis) return static_cast<int>(i);
  return -1;
}

/// An end may be the size of the batch.
Axis slice(const CutNode& cut) {
  const int axis = cut.axis(0);
  if (axis < 0 || cut.axis(1) != same || !cut.same_from(3)) return refused;
  const auto place = place_in(cut, 3, axis);
  const auto starts = integers(cut.node.input(1));
  if (!place || !starts) return refused;
  if (*place < 0 || *place >= static_cast<int>(starts->size())) return axis;
  if (cut.has(4)) {
    const auto steps = integers(cut.node.input(4));
    if (!steps || (*steps)[static_cast<size_t>(*place)] != 1) return refused;
  }
  // With a step of 1 whoever takes as many elements as there are takes them all.
  for (const Node* node : {&cut.node, &cut.whole})
    if (node->output()->shape()[static_cast<size_t>(axis)] != node->input(0)->shape()[static_cast<size_t>(axis)])
      return refused;
  return axis;
}

Axis pad(const CutNode& cut) {
  const int axis = cut.axis(0);
  const auto pads = integers(cut.node.input(1));
  if (axis < 0 || !cut.same_from(1) || !pads) return refused;
  const auto place = place_in(cut, 3, axis);
  if (!place) return refused;
  if (*place < 0) return axis;
  const size_t begin = static_cast<size_t>(*place), end = begin + pads->size() / 2;
  return (*pads)[begin] == 0 && (*pads)[end] == 0 ? Axis(axis) : refused;
}

Axis transpose(const CutNode& cut) {
  const auto& perm = cut.node.as<ops::Transpose>()->perm;
  if (cut.axis(0) < 0) return refused;
  if (perm.empty()) return cut.rank(0) - 1 - cut.axis(0);
  for (size_t i = 0; i < perm.size(); ++i)
    if (from_front(perm[i], cut.rank(0)) == cut.axis(0)) return static_cast<int>(i);
  return refused;
}

/// The only axis on which the sizes of the output depend on the batch.
Axis differing_axis(const CutNode& cut) {
  const Shape &slice = cut.node.output()->shape(), &whole = cut.whole.output()->shape();
  for (int i = 0; i < slice.rank() && i < whole.rank(); ++i)
    if (slice[static_cast<size_t>(i)] != whole[static_cast<size_t>(i)]) return i;
  return refused;
}

Axis expand(const CutNode& cut) {
  if (cut.axis(0) == other) return refused;
  if (cut.axis(0) >= 0) return output_rank(cut) - back(cut, 0);
  const Axis axis = differing_axis(cut);
  return axis && dim_from_back(cut, 0, output_rank(cut) - *axis) == 1 ? axis : refused;
}

/// Copies of what every slice has, or of each sample on other axes.
Axis tile(const CutNode& cut) {
  if (cut.axis(0) == other) return refused;
  if (cut.axis(0) == same) return differing_axis(cut);
  const size_t axis = static_cast<size_t>(cut.axis(0));
  for (const Node* node : {&cut.node, &cut.whole})
    if (node->output()->shape()[axis] != node->input(0)->shape()[axis]) return refused;
  return cut.axis(0);
}

/// Of two inputs `a` [..., M, K] and `b` [..., K, N].
Axis product(const CutNode& cut, size_t a, size_t b) {
  if (cut.axis(a) == other || cut.axis(b) == other || cut.rank(a) < 2 || cut.rank(b) < 2) return refused;
  const bool cut_a = cut.axis(a) >= 0, cut_b = cut.axis(b) >= 0;
  const int place = back(cut, cut_a ? a : b);
  if (cut_a && cut_b && (back(cut, b) != place || place < 3)) return refused;
  if (cut_a != cut_b) {
    if (place == (cut_a ? 1 : 2)) return refused;  // summed over
    if (place >= 3 && dim_from_back(cut, cut_a ? b : a, place) != 1) return refused;
  }
  return output_rank(cut) - place;
}

bool one_element(const CutNode& cut, size_t input) {
  return !cut.has(input) || (cut.axis(input) == same && element_count(cut.node.input(input)->shape().concrete()) == 1);
}

Axis mat_mul(const CutNode& cut) { return product(cut, 0, 1); }
Axis mat_mul_integer(const CutNode& cut) {
  return one_element(cut, 2) && one_element(cut, 3) ? product(cut, 0, 1) : refused;
}
Axis qlinear_mat_mul(const CutNode& cut) {
  for (size_t i : {1, 2, 4, 5, 6, 7})
    if (!one_element(cut, i)) return refused;
  return product(cut, 0, 3);
}

Axis gemm(const CutNode& cut) {
  const auto* op = cut.node.as<ops::Gemm>();
  if (!cut.same_from(1) || cut.axis(0) != (op->transA ? 1 : 0)) return refused;
  return cut.has(2) && dim_from_back(cut, 2, 2) != 1 ? refused : Axis(0);
}

/// One scale for everything, or one for each index on another axis.
Axis scaled(const CutNode& cut, int64_t axis, int64_t block_size) {
  if (cut.axis(0) < 0 || !cut.same_from(1) || block_size != 0 || cut.rank(1) > 1) return refused;
  const bool each = cut.rank(1) == 1 && cut.dim(1, 0) != 1;
  return each && from_front(axis, cut.rank(0)) == cut.axis(0) ? refused : Axis(cut.axis(0));
}
template <class T>
Axis quantizer(const CutNode& cut) {
  const auto* op = cut.node.as<T>();
  return scaled(cut, op->axis, op->block_size);
}

/// A mask has one row for all samples, or one for each.
Axis attention(const CutNode& cut) {
  for (size_t i : {0, 1, 2})
    if (cut.axis(i) != 0) return refused;
  for (size_t i = 4; i < cut.axes.size(); ++i)
    if (cut.has(i)) return refused;
  if (cut.has(3) && cut.axis(3) != 0 && (cut.axis(3) != same || dim_from_back(cut, 3, 4) != 1)) return refused;
  if (cut.has(3) && cut.axis(3) == 0 && cut.rank(3) != 4) return refused;
  return cut.node.outputs().size() == 1 ? Axis(0) : refused;
}

Axis grid_sample(const CutNode& cut) { return cut.axis(0) == 0 && cut.axis(1) == 0 ? Axis(0) : refused; }
Axis deform_conv(const CutNode& cut) {  // x, weights, offsets, bias, mask
  const bool mask = !cut.has(4) || cut.axis(4) == 0;
  return cut.axis(0) == 0 && cut.axis(1) == same && cut.axis(2) == 0 && cut.axis(3) == same && mask ? Axis(0) : refused;
}
Axis sizes(const CutNode&) { return other; }

struct Rule {
  std::string_view op;
  Axis (*axis)(const CutNode&);
};

// The visible list of ops that are not elementwise and treat each sample alone.
const Rule rules[] = {
    {"Conv", samples_first},
    {"ConvTranspose", samples_first},
    {"ConvInteger", samples_first},
    {"QLinearConv", samples_first},
    {"DeformConv", deform_conv},
    {"MaxPool", samples_first},
    {"AveragePool", samples_first},
    {"LpPool", samples_first},
    {"GlobalAveragePool", samples_first},
    {"GlobalMaxPool", samples_first},
    {"GlobalLpPool", samples_first},
    {"LRN", samples_first},
    {"InstanceNormalization", samples_first},
    {"GroupNormalization", samples_first},
    {"DepthToSpace", samples_first},
    {"SpaceToDepth", samples_first},
    {"BatchNormalization", batch_normalization},
    {"Resize", resize},
    {"GridSample", grid_sample},
    {"Softmax", softmax<ops::Softmax>},
    {"LogSoftmax", softmax<ops::LogSoftmax>},
    {"Hardmax", softmax<ops::Hardmax>},
    {"LpNormalization", along_last},
    {"LayerNormalization", normalization},
    {"RMSNormalization", normalization},
    {"Split", split},
    {"TopK", along_last},
    {"Concat", concat},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"Slice", slice},
    {"Pad", pad},
    {"Transpose", transpose},
    {"Expand", expand},
    {"Tile", tile},
    {"ConstantOfShape", differing_axis},
    {"Shape", sizes},
    {"Size", sizes},
    {"MatMul", mat_mul},
    {"MatMulInteger", mat_mul_integer},
    {"QLinearMatMul", qlinear_mat_mul},
    {"Gemm", gemm},
    {"QuantizeLinear", quantizer<ops::QuantizeLinear>},
    {"DequantizeLinear", quantizer<ops::DequantizeLinear>},
    {"Attention", attention},
};

}  // namespace

std::optional<int> axis_of_outputs(const CutNode& cut) {
  const Node& node = cut.node;
  if (node.has(Trait::random)) return refused;
  if (cut.same_from(0)) return same;
  for (const Rule& rule : rules)
    if (node.op().domain()[0] == '\0' && rule.op == node.op().type()) return rule.axis(cut);
  if (node.as<ops::Reduction>()) return reduction(cut);
  if (node.as<ops::ArgExtreme>()) return arg_extreme(cut);
  if (node.has(Trait::view)) return view(cut);
  if (node.has(Trait::elementwise)) return elementwise(cut);
  return refused;
}

}  // namespace hone::batch
