#include <algorithm>

#include "graph/ops/nn/resize_axis.hpp"
#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

namespace {

/// Each output position along `dim` is a weighted sum of input positions: a product with a matrix of those weights.
at::Tensor resample(const at::Tensor& x, int64_t dim, const ops::ResizeAxis& axis, const ops::ResizeTable& table) {
  if (table.taps == 1) return x.index_select(dim, at::tensor(table.index, at::kLong));
  at::Tensor matrix = at::zeros({axis.output, axis.input}, at::kDouble);
  double* weights = matrix.data_ptr<double>();
  for (size_t i = 0; i < table.index.size(); ++i)
    weights[static_cast<int64_t>(i) / table.taps * axis.input + table.index[i]] += table.weight[i];
  return at::matmul(x.transpose(dim, -1), matrix.to(x.scalar_type()).t()).transpose(dim, -1);
}

ops::ResizeInputs read_inputs(const OpCall& call) {
  ops::ResizeInputs inputs;
  auto floats = [&](size_t i) {
    at::Tensor flat = call.in(i).to(at::kFloat).contiguous();
    return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  };
  if (call.has(1))
    for (float value : floats(1)) inputs.roi.push_back(value);
  if (call.has(2)) inputs.scales = floats(2);
  if (call.has(3)) inputs.sizes = call.ints(3);
  return inputs;
}

}  // namespace

Tensors resize(OpCall& call) {
  at::Tensor x = call.in(0);
  const auto& op = *call.node.as<ops::Resize>();
  if (!x.is_floating_point()) call.fail("the trainer resizes floating-point tensors only", "insert a Cast");
  if (op.coordinate_transformation_mode == "tf_crop_and_resize") call.fail("the trainer has no tf_crop_and_resize");
  check_resize_modes(call.node.place(), op);
  auto axes = resize_axes(call.node.place(), op, x.sizes().vec(), read_inputs(call));
  bool planes = x.dim() == 4 && axes[0].identity && axes[1].identity && !op.antialias && !op.exclude_outside;
  bool aligned = planes && op.coordinate_transformation_mode == "align_corners" &&
                 axes[2].scale * axes[2].input == axes[2].output && axes[3].scale * axes[3].input == axes[3].output;
  if (planes && op.mode == "linear" && (aligned || op.coordinate_transformation_mode == "half_pixel"))
    return {at::upsample_bilinear2d(x, at::IntArrayRef({axes[2].output, axes[3].output}), aligned, axes[2].scale,
                                    axes[3].scale)};
  // Keeps channels-last memory, which gathering by index does not.
  bool repeats =
      planes && op.mode == "nearest" && op.coordinate_transformation_mode == "asymmetric" && op.nearest_mode == "floor";
  if (repeats)
    return {at::upsample_nearest2d(x, at::IntArrayRef({axes[2].output, axes[3].output}), axes[2].scale, axes[3].scale)};
  for (size_t i = 0; i < axes.size(); ++i)
    if (!axes[i].identity) x = resample(x, static_cast<int64_t>(i), axes[i], resize_table(op, axes[i]));
  return {x};
}

}  // namespace hone::torch_ops
