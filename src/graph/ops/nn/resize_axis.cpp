#include "graph/ops/nn/resize_axis.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::ops {

void check_resize_modes(const std::string& place, const Resize& op) {
  auto check = [&](const char* name, const std::string& value, std::initializer_list<const char*> known) {
    if (std::find(known.begin(), known.end(), value) != known.end()) return;
    std::string list;
    for (const char* word : known) list += (list.empty() ? "" : ", ") + std::string(word);
    throw Error(place, fmt::format("{} is '{}', expected one of {}", name, value, list));
  };
  check("mode", op.mode, {"nearest", "linear", "cubic"});
  check("coordinate_transformation_mode", op.coordinate_transformation_mode,
        {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
         "tf_crop_and_resize", "tf_half_pixel_for_nn"});
  check("nearest_mode", op.nearest_mode, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  check("keep_aspect_ratio_policy", op.keep_aspect_ratio_policy, {"stretch", "not_larger", "not_smaller"});
}

namespace {

std::vector<size_t> named_axes(const std::string& place, const Resize& op, size_t rank) {
  std::vector<size_t> result;
  std::vector<bool> seen(rank);
  if (op.axes.empty())
    for (size_t i = 0; i < rank; ++i) result.push_back(i);
  for (int64_t axis : op.axes) {
    auto signed_rank = static_cast<int64_t>(rank);
    if (axis < -signed_rank || axis >= signed_rank || seen[static_cast<size_t>((axis + signed_rank) % signed_rank)])
      throw Error(place, fmt::format("axes {} do not fit rank {}", to_string(Dims(op.axes)), rank));
    result.push_back(static_cast<size_t>((axis + signed_rank) % signed_rank));
    seen[result.back()] = true;
  }
  return result;
}

/// Output size and factor of each axis from the wanted sizes, with the aspect ratio kept where asked for.
void apply_sizes(const Resize& op, const std::vector<size_t>& named, const std::vector<int64_t>& sizes,
                 std::vector<ResizeAxis>& axes) {
  double common = 0;
  for (size_t i = 0; i < named.size(); ++i) {
    ResizeAxis& axis = axes[named[i]];
    axis.output = sizes[i];
    axis.scale = static_cast<double>(sizes[i]) / static_cast<double>(std::max<int64_t>(axis.input, 1));
    if (i == 0) common = axis.scale;
    common = op.keep_aspect_ratio_policy == "not_larger" ? std::min(common, axis.scale) : std::max(common, axis.scale);
  }
  if (op.keep_aspect_ratio_policy == "stretch") return;
  for (size_t i : named) {
    axes[i].scale = common;
    axes[i].output = static_cast<int64_t>(common * static_cast<double>(axes[i].input) + 0.5);
  }
}

void check_count(const std::string& place, const char* name, size_t count, size_t expected) {
  if (count != expected) throw Error(place, fmt::format("{} has {} entries, expected {}", name, count, expected));
}

}  // namespace

int64_t scaled_size(const std::string& place, int64_t input, float scale) {
  // In float, as exporters and runtimes compute it: 10 * 0.7f is 7.
  float size = static_cast<float>(input) * scale;
  if (!(scale > 0) || !(size < 1e15f))
    throw Error(place, fmt::format("scale is {}, expected a number above 0 that keeps sizes sensible", scale));
  return static_cast<int64_t>(std::floor(size));
}

std::vector<ResizeAxis> resize_axes(const std::string& place, const Resize& op, const Dims& x,
                                    const ResizeInputs& inputs) {
  check_resize_modes(place, op);
  std::vector<ResizeAxis> axes(x.size());
  for (size_t i = 0; i < x.size(); ++i) axes[i].input = axes[i].output = x[i];
  std::vector<size_t> named = named_axes(place, op, x.size());
  if (inputs.scales.empty() == inputs.sizes.empty() && !named.empty())
    throw Error(place, inputs.sizes.empty() ? "has neither scales nor sizes" : "has both scales and sizes",
                "give exactly one of them");
  if (!inputs.sizes.empty()) {
    check_count(place, "sizes", inputs.sizes.size(), named.size());
    for (int64_t size : inputs.sizes)
      if (size < 0) throw Error(place, "sizes " + to_string(Dims(inputs.sizes)) + " has a negative entry");
    apply_sizes(op, named, inputs.sizes, axes);
  } else {
    check_count(place, "scales", inputs.scales.size(), named.size());
    for (size_t i = 0; i < named.size(); ++i) {
      ResizeAxis& axis = axes[named[i]];
      axis.output = scaled_size(place, axis.input, inputs.scales[i]);
      axis.scale = static_cast<double>(inputs.scales[i]);
    }
  }
  bool crops = op.coordinate_transformation_mode == "tf_crop_and_resize";
  if (crops) {
    check_count(place, "roi", inputs.roi.size(), 2 * named.size());
    for (size_t i = 0; i < named.size(); ++i) {
      axes[named[i]].roi_begin = inputs.roi[i];
      axes[named[i]].roi_end = inputs.roi[named.size() + i];
    }
  }
  for (ResizeAxis& axis : axes) {
    axis.identity = axis.input == axis.output && axis.scale == 1 &&
                    (!crops || (axis.roi_begin == 0 && axis.roi_end == 1));
    if (axis.input == 0 && axis.output > 0) throw Error(place, "the input is empty and cannot be resized");
  }
  return axes;
}

namespace {

/// Where output position i lies in the input.
double original_position(const std::string& mode, const ResizeAxis& axis, int64_t i) {
  auto x = static_cast<double>(i), input = static_cast<double>(axis.input), output = axis.scale * input;
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;  // opsets 11 and 12
  if (mode == "align_corners") return output == 1 ? 0 : x * (input - 1) / (output - 1);
  if (mode == "tf_crop_and_resize") {
    double begin = axis.roi_begin, end = axis.roi_end;
    if (output > 1) return begin * (input - 1) + x * (end - begin) * (input - 1) / (output - 1);
    return 0.5 * (begin + end) * (input - 1);
  }
  if (mode == "pytorch_half_pixel" && axis.output == 1) return 0;
  double center = (x + 0.5) / axis.scale - 0.5;
  if (mode != "half_pixel_symmetric") return center;
  // The center of the output that was rounded down maps to the center of the input.
  double adjustment = static_cast<double>(axis.output) / output;
  return input / 2 * (1 - adjustment) + center;
}

double cubic(double distance, double a) {
  double x = std::abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// The input position that `nearest` picks.
int64_t nearest(const std::string& mode, double position) {
  double below = std::floor(position), ratio = position - below;
  bool up = false;
  if (mode == "round_prefer_floor") up = ratio > 0.5;
  else if (mode == "round_prefer_ceil") up = ratio >= 0.5;
  else if (mode == "ceil") up = ratio > 0;
  return static_cast<int64_t>(below) + up;
}

}  // namespace

ResizeTable resize_table(const Resize& op, const ResizeAxis& axis) {
  bool is_nearest = op.mode == "nearest", is_cubic = op.mode == "cubic";
  // Shrinking with antialias stretches the filter over all the pixels that fall into one.
  double stretch = op.antialias && !is_nearest ? std::min(axis.scale, 1.0) : 1.0;
  ResizeTable table;
  if (axis.output == 0) return table;  // the scale may be as small as it likes
  auto reach = static_cast<int64_t>(std::ceil((is_cubic ? 2 : 1) / stretch));
  table.taps = is_nearest ? 1 : 2 * reach;
  auto count = static_cast<size_t>(axis.output);
  table.outside.assign(count, 0);
  table.index.reserve(count * static_cast<size_t>(table.taps));
  table.weight.reserve(count * static_cast<size_t>(table.taps));
  bool crops = op.coordinate_transformation_mode == "tf_crop_and_resize";
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at, 0, axis.input - 1); };
  for (int64_t i = 0; i < axis.output; ++i) {
    double position = original_position(op.coordinate_transformation_mode, axis, i);
    if (crops && !(position >= 0 && position <= static_cast<double>(axis.input - 1)))
      table.outside[static_cast<size_t>(i)] = 1;
    // Also keeps the conversion to an integer defined for absurd roi values.
    position = std::clamp(position, -2.0 * static_cast<double>(axis.input), 3.0 * static_cast<double>(axis.input));
    if (is_nearest) {
      table.index.push_back(clamp(nearest(op.nearest_mode, position)));
      table.weight.push_back(1);
      continue;
    }
    auto base = static_cast<int64_t>(std::floor(position));
    size_t first = table.weight.size();
    double total = 0;
    for (int64_t tap = 1 - reach; tap <= reach; ++tap) {
      int64_t at = base + tap;
      double distance = (static_cast<double>(at) - position) * stretch;
      double weight =
          is_cubic ? cubic(distance, static_cast<double>(op.cubic_coeff_a)) : std::max(0.0, 1 - std::abs(distance));
      if (op.exclude_outside && (at < 0 || at >= axis.input)) weight = 0;
      table.index.push_back(clamp(at));
      table.weight.push_back(weight);
      total += weight;
    }
    if ((op.antialias || op.exclude_outside) && total != 0)
      for (size_t k = first; k < table.weight.size(); ++k) table.weight[k] /= total;
  }
  return table;
}

}  // namespace hone::ops
