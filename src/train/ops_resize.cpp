#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "train/torch_ops.hpp"

namespace hone::torch_ops {

namespace {

struct Axis {
  int64_t in = 1, out = 1;
  double scale = 1;
};

/// Where output element i lies among the input elements (ONNX coordinate_transformation_mode).
double source_position(const OpCall& call, const std::string& mode, int64_t i, const Axis& axis) {
  double x = static_cast<double>(i), out = static_cast<double>(axis.out);
  if (mode == "half_pixel") return (x + 0.5) / axis.scale - 0.5;
  if (mode == "half_pixel_symmetric") {
    double adjusted = out / (axis.scale * static_cast<double>(axis.in));
    double center = static_cast<double>(axis.in) / 2;
    return center * (1 - adjusted) + (x + 0.5) / axis.scale - 0.5;
  }
  if (mode == "pytorch_half_pixel") return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
  if (mode == "align_corners") return axis.out > 1 ? x * static_cast<double>(axis.in - 1) / (out - 1) : 0;
  if (mode == "asymmetric") return x / axis.scale;
  call.fail("the trainer has no coordinate_transformation_mode '" + mode + "'");
}

int64_t round_nearest(const OpCall& call, const std::string& mode, double position) {
  if (mode == "round_prefer_floor") return static_cast<int64_t>(std::ceil(position - 0.5));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(position + 0.5));
  if (mode == "floor") return static_cast<int64_t>(std::floor(position));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(position));
  call.fail("nearest_mode is '" + mode + "', expected round_prefer_floor, round_prefer_ceil, floor or ceil");
}

at::Tensor resize_axis(const OpCall& call, const at::Tensor& x, int64_t dim, const Axis& axis) {
  std::string transform = call.text("coordinate_transformation_mode", "half_pixel");
  auto clamp = [&](int64_t index) { return std::clamp<int64_t>(index, 0, axis.in - 1); };
  std::vector<int64_t> low, high;
  std::vector<float> weight;
  bool nearest = call.text("mode", "nearest") == "nearest";
  std::string nearest_mode = call.text("nearest_mode", "round_prefer_floor");
  for (int64_t i = 0; i < axis.out; ++i) {
    double position = source_position(call, transform, i, axis);
    if (nearest) {
      low.push_back(clamp(round_nearest(call, nearest_mode, position)));
    } else {
      int64_t first = static_cast<int64_t>(std::floor(position));
      low.push_back(clamp(first));
      high.push_back(clamp(first + 1));
      weight.push_back(static_cast<float>(position - static_cast<double>(first)));
    }
  }
  at::Tensor a = x.index_select(dim, at::tensor(low, at::kLong));
  if (nearest) return a;
  std::vector<int64_t> sizes(static_cast<size_t>(x.dim()), 1);
  sizes[static_cast<size_t>(dim)] = axis.out;
  at::Tensor b = x.index_select(dim, at::tensor(high, at::kLong));
  return at::lerp(a, b, at::tensor(weight, at::kFloat).to(x.scalar_type()).reshape(sizes));
}

std::vector<Axis> read_axes(const OpCall& call, const at::Tensor& x) {
  std::vector<Axis> axes(static_cast<size_t>(x.dim()));
  std::vector<int64_t> chosen = call.integers("axes");
  if (chosen.empty())
    for (int64_t i = 0; i < x.dim(); ++i) chosen.push_back(i);
  for (size_t i = 0; i < axes.size(); ++i) axes[i].in = axes[i].out = x.size(static_cast<int64_t>(i));
  bool by_size = call.has(3) && call.in(3).numel() > 0;
  if (!by_size && !(call.has(2) && call.in(2).numel() > 0)) call.fail("has neither scales nor sizes");
  const at::Tensor& given = call.in(by_size ? 3 : 2);
  if (given.numel() != static_cast<int64_t>(chosen.size()))
    call.fail(fmt::format("{} values for {} axes", given.numel(), chosen.size()));
  if (by_size && call.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    call.fail("the trainer has no keep_aspect_ratio_policy");
  for (size_t i = 0; i < chosen.size(); ++i) {
    Axis& axis = axes[static_cast<size_t>(call.axis(chosen[i], x.dim()))];
    double value = given.flatten()[static_cast<int64_t>(i)].item().toDouble();
    axis.out = by_size ? static_cast<int64_t>(value) : static_cast<int64_t>(std::floor(static_cast<double>(axis.in) * value));
    axis.scale = by_size ? value / static_cast<double>(axis.in) : value;
    if (axis.out < 1) call.fail(fmt::format("output size {} of an axis with {} elements", axis.out, axis.in));
  }
  return axes;
}

}  // namespace

Tensors resize(OpCall& call) {
  at::Tensor x = call.in(0);
  std::string mode = call.text("mode", "nearest"), transform = call.text("coordinate_transformation_mode", "half_pixel");
  if (mode != "nearest" && mode != "linear") call.fail("the trainer has no mode '" + mode + "'", "use nearest or linear");
  std::vector<Axis> axes = read_axes(call, x);
  bool shrinks = std::any_of(axes.begin(), axes.end(), [](const Axis& axis) { return axis.out < axis.in; });
  if (mode == "linear" && call.integer("antialias", 0) && shrinks) call.fail("the trainer has no antialias");
  bool planes = x.dim() == 4 && axes[0].in == axes[0].out && axes[1].in == axes[1].out;
  if (mode == "linear" && planes && (transform == "half_pixel" || transform == "align_corners") && x.is_floating_point())
    return {at::upsample_bilinear2d(x, at::IntArrayRef({axes[2].out, axes[3].out}), transform == "align_corners",
                                    axes[2].scale, axes[3].scale)};
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i].in != axes[i].out || axes[i].scale != 1) x = resize_axis(call, x, static_cast<int64_t>(i), axes[i]);
  return {x};
}

}  // namespace hone::torch_ops
