#include "data/augment/scene.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/augment.hpp"
#include "data/image_cv.hpp"

namespace hone {

namespace {
cv::Mat gray_view(const Tensor& mask) {
  return cv::Mat(static_cast<int>(mask.dim(0)), static_cast<int>(mask.dim(1)), CV_8U, const_cast<void*>(mask.raw()));
}

/// The output pixels that show the source, and the part of the source that they show.
void render(const cv::Mat& source, const Placement& p, cv::Mat& out, bool nearest) {
  double left = p.offset_x, top = p.offset_y, right = left + source.cols * p.scale_x,
         bottom = top + source.rows * p.scale_y;
  int x0 = std::clamp(static_cast<int>(std::lround(left)), 0, out.cols),
      x1 = std::clamp(static_cast<int>(std::lround(right)), 0, out.cols);
  int y0 = std::clamp(static_cast<int>(std::lround(top)), 0, out.rows),
      y1 = std::clamp(static_cast<int>(std::lround(bottom)), 0, out.rows);
  if (x1 <= x0 || y1 <= y0) return;
  auto source_range = [](int low, int high, double offset, double scale, int size) {
    int from = std::clamp(static_cast<int>(std::lround((low - offset) / scale)), 0, size - 1);
    int to = std::clamp(static_cast<int>(std::lround((high - offset) / scale)), from + 1, size);
    return cv::Range(from, to);
  };
  cv::Mat part = source(source_range(y0, y1, p.offset_y, p.scale_y, source.rows),
                        source_range(x0, x1, p.offset_x, p.scale_x, source.cols));
  cv::Mat target = out(cv::Range(y0, y1), cv::Range(x0, x1));
  bool shrinks = part.cols >= target.cols && part.rows >= target.rows;
  cv::resize(part, target, target.size(), 0, 0,
             nearest   ? cv::INTER_NEAREST
             : shrinks ? cv::INTER_AREA
                       : cv::INTER_LINEAR);
}

void place_mask(Annotation& object, const Placement& p, const ImageSize& output) {
  for (Polygon& polygon : object.polygons)
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      double x = polygon[i] * p.scale_x + p.offset_x;
      polygon[i] = p.flip ? p.width - x : x;
      polygon[i + 1] = polygon[i + 1] * p.scale_y + p.offset_y;
    }
  if (object.mask.empty()) return;
  Tensor source = decode_rle(object.mask), target = Tensor::zeros(DType::u8, {output.height, output.width});
  cv::Mat out = gray_view(target);
  render(gray_view(source), p, out, true);
  if (p.flip) cv::flip(out, out, 1);
  object.mask = encode_rle(target);
}

void vary_colors(Tensor& image, const SceneOptions& options, Rng& rng) {
  AugmentOptions colors;
  colors.brightness = options.brightness;
  colors.contrast = options.contrast;
  colors.saturation = options.saturation;
  colors.hue = options.hue;
  jitter_colors(image, colors, rng);
}

/// The window of the source (it may reach outside) that becomes the output.
Box random_window(const Scene& scene, const SceneOptions& options, Rng& rng) {
  double width = static_cast<double>(scene.image.dim(1)), height = static_cast<double>(scene.image.dim(0));
  Box window{0, 0, width, height};
  bool expand = rng.chance(options.expand), crop = rng.chance(options.crop);
  double zoom = std::exp(rng.uniform(std::log(options.min_scale), std::log(options.max_scale)));
  if (expand) {
    double ratio = rng.uniform(1, options.max_expand);
    window = {-rng.uniform(0, (ratio - 1) * width), -rng.uniform(0, (ratio - 1) * height), width * ratio,
              height * ratio};
  } else if (crop) {
    window = overlap_crop(scene, rng);
  } else if (options.min_scale != 1 || options.max_scale != 1) {
    double w = width / zoom, h = height / zoom;
    window = {rng.uniform() * (width - w), rng.uniform() * (height - h), w, h};
  }
  return window;
}
}  // namespace

Scene place(const Scene& scene, const Placement& p, const ImageSize& output, const SceneOptions& options) {
  require_image(scene.image, "augmentation");
  use_single_threaded_opencv();
  Scene result;
  result.image = make_image(output.height, output.width);
  cv::Mat out = view_of(result.image);
  out.setTo(cv::Scalar::all(options.fill));
  render(view_of(scene.image), p, out, false);
  if (p.flip) cv::flip(out, out, 1);
  if (scene.mask.defined()) {
    result.mask = Tensor(DType::u8, {output.height, output.width});
    cv::Mat mask = gray_view(result.mask);
    mask.setTo(cv::Scalar::all(mask_ignore));
    render(gray_view(scene.mask), p, mask, true);
    if (p.flip) cv::flip(mask, mask, 1);
  }
  for (const Annotation& object : scene.objects) {
    Box whole = p.apply(object.box), box = clipped(whole, output.width, output.height);
    if (box.w < options.min_side || box.h < options.min_side || box.area() < options.min_visible * whole.area())
      continue;
    Annotation moved = object;
    moved.box = box;
    moved.area = object.area * p.scale_x * p.scale_y;
    place_mask(moved, p, output);
    result.objects.push_back(std::move(moved));
  }
  return result;
}

std::vector<Annotation> place_objects(std::vector<Annotation> objects, const Placement& p, const ImageSize& output) {
  for (Annotation& object : objects) {
    object.box = p.apply(object.box);
    object.area *= p.scale_x * p.scale_y;
    place_mask(object, p, output);
  }
  return objects;
}

Box overlap_crop(const Scene& scene, Rng& rng) {
  double width = static_cast<double>(scene.image.dim(1)), height = static_cast<double>(scene.image.dim(0));
  static constexpr double minima[] = {0, 0.1, 0.3, 0.5, 0.7, 0.9};
  double least = minima[rng.below(6)];
  for (int attempt = 0; attempt < 50; ++attempt) {
    Box window;
    window.w = width * rng.uniform(0.3, 1);
    window.h = height * rng.uniform(0.3, 1);
    window.x = rng.uniform(0, width - window.w);
    window.y = rng.uniform(0, height - window.h);
    if (window.h > 2 * window.w || window.w > 2 * window.h) continue;
    if (scene.objects.empty()) return window;
    bool good = false;
    for (const Annotation& object : scene.objects) {
      double x = object.box.x + object.box.w / 2, y = object.box.y + object.box.h / 2;
      bool inside = x > window.x && x < window.right() && y > window.y && y < window.bottom();
      good = good || (inside && intersection(window, object.box) >= least * object.box.area());
    }
    if (good) return window;
  }
  return {0, 0, width, height};
}

Scene vary(const Scene& scene, int count, const LoadScene& load, const ImageSize& output, const SceneOptions& options,
           Rng& rng, std::optional<Placement>* used) {
  Scene result;
  bool tile = rng.chance(options.mosaic);
  if (tile) {
    std::vector<Scene> scenes{scene};
    for (int i = 0; i < 3; ++i) {
      std::optional<Scene> other = load(static_cast<int>(rng.below(static_cast<uint32_t>(count))));
      scenes.push_back(other ? std::move(*other) : scene);
    }
    result = mosaic(scenes, output, options, rng);
    if (used) used->reset();
  } else {
    Box window = random_window(scene, options, rng);
    ImageSize size{std::max(1, static_cast<int>(std::lround(window.h))),
                   std::max(1, static_cast<int>(std::lround(window.w)))};
    Placement p = fit(size, output, options.fit);
    p.offset_x -= window.x * p.scale_x;
    p.offset_y -= window.y * p.scale_y;
    p.flip = rng.chance(options.flip);
    result = place(scene, p, output, options);
    if (used) *used = p;
  }
  auto another = [&]() -> std::optional<Scene> {
    std::optional<Scene> other = load(static_cast<int>(rng.below(static_cast<uint32_t>(count))));
    if (!other) return std::nullopt;
    Placement p =
        fit({static_cast<int>(other->image.dim(0)), static_cast<int>(other->image.dim(1))}, output, options.fit);
    p.flip = rng.chance(options.flip);
    return place(*other, p, output, options);
  };
  if (rng.chance(options.copy_paste))
    if (std::optional<Scene> other = another()) result = copy_paste(result, *other, rng);
  if (!result.mask.defined() && rng.chance(options.mix_up))
    if (std::optional<Scene> other = another()) result = mix_up(result, *other);
  vary_colors(result.image, options, rng);
  return result;
}

}  // namespace hone
