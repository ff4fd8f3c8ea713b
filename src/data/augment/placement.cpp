#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "data/augment/scene.hpp"

namespace hone {

namespace {
void require_range(const char* option, double value, double low, double high) {
  if (!(value >= low && value <= high))
    throw Error("augmentation", fmt::format("{} is {}, expected {} to {}", option, value, low, high));
}
}  // namespace

Box Placement::apply(const Box& box) const {
  double x = box.x * scale_x + offset_x, w = box.w * scale_x;
  return {flip ? width - x - w : x, box.y * scale_y + offset_y, w, box.h * scale_y};
}

Box Placement::undo(const Box& box) const {
  double x = flip ? width - box.x - box.w : box.x;
  return {(x - offset_x) / scale_x, (box.y - offset_y) / scale_y, box.w / scale_x, box.h / scale_y};
}

Placement fit(const ImageSize& source, const ImageSize& output, Fit how) {
  Placement p;
  p.width = output.width;
  p.scale_x = static_cast<double>(output.width) / source.width;
  p.scale_y = static_cast<double>(output.height) / source.height;
  if (how == Fit::stretch) return p;
  p.scale_x = p.scale_y = std::min(p.scale_x, p.scale_y);
  if (how == Fit::letterbox_center) {
    p.offset_x = (output.width - source.width * p.scale_x) / 2;
    p.offset_y = (output.height - source.height * p.scale_y) / 2;
  }
  return p;
}

SceneOptions SceneOptions::for_detection() {
  SceneOptions options;
  options.flip = 0.5;
  options.crop = 0.5;
  options.expand = 0.3;
  options.brightness = options.contrast = options.saturation = 0.3;
  options.hue = 0.02;
  options.mosaic = 0.5;
  options.mix_up = 0.1;
  return options;
}

SceneOptions SceneOptions::for_segmentation() {
  SceneOptions options;
  options.flip = 0.5;
  options.min_scale = 0.75;
  options.max_scale = 2;
  options.brightness = options.contrast = options.saturation = 0.25;
  options.hue = 0.02;
  return options;
}

void validate(const SceneOptions& options) {
  for (auto [name, value] :
       {std::pair("flip", options.flip), std::pair("crop", options.crop), std::pair("expand", options.expand),
        std::pair("mosaic", options.mosaic), std::pair("mix_up", options.mix_up),
        std::pair("copy_paste", options.copy_paste), std::pair("min_visible", options.min_visible)})
    require_range(name, value, 0, 1);
  require_range("fill", options.fill, 0, 255);
  require_range("max_expand", options.max_expand, 1, 16);
  require_range("min_scale", options.min_scale, 0.05, 20);
  require_range("max_scale", options.max_scale, options.min_scale, 20);
  require_range("min_side", options.min_side, 0, 1000);
  for (double strength : {options.brightness, options.contrast, options.saturation})
    require_range("color strength", strength, 0, 10);
  require_range("hue", options.hue, 0, 0.5);
  for (const ImageSize& size : options.sizes)
    if (size.height < 1 || size.width < 1 || size.height > 1 << 15 || size.width > 1 << 15)
      throw Error("augmentation", fmt::format("sizes has {}x{}", size.width, size.height));
}

}  // namespace hone
