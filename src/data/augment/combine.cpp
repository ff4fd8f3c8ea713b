// Augmentations that make one scene of several.
#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/augment/scene.hpp"
#include "data/image_cv.hpp"

namespace hone {

namespace {
struct Quadrant {
  int x0, y0, x1, y1;
};

/// Copies a part of one scene into another of the same size, with the objects that still show enough there.
void insert(const Scene& from, const Quadrant& q, const SceneOptions& options, Scene& into) {
  cv::Range rows(q.y0, q.y1), columns(q.x0, q.x1);
  view_of(from.image)(rows, columns).copyTo(view_of(into.image)(rows, columns));
  auto gray = [](const Tensor& t) {
    return cv::Mat(static_cast<int>(t.dim(0)), static_cast<int>(t.dim(1)), CV_8U, const_cast<void*>(t.raw()));
  };
  if (from.mask.defined() && into.mask.defined()) gray(from.mask)(rows, columns).copyTo(gray(into.mask)(rows, columns));
  for (Annotation object : from.objects) {
    Box box = object.box;
    box.x -= q.x0, box.y -= q.y0;
    Box inside = clipped(box, q.x1 - q.x0, q.y1 - q.y0);
    if (inside.w < options.min_side || inside.h < options.min_side || inside.area() < options.min_visible * box.area())
      continue;
    if (object.has_mask()) {
      Tensor whole =
          decode_rle(mask_of(object, static_cast<int>(into.image.dim(0)), static_cast<int>(into.image.dim(1))));
      Tensor cut = Tensor::zeros(DType::u8, whole.dims());
      gray(whole)(rows, columns).copyTo(gray(cut)(rows, columns));
      object.polygons.clear();
      object.mask = encode_rle(cut);
    }
    inside.x += q.x0, inside.y += q.y0;
    object.box = inside;
    into.objects.push_back(std::move(object));
  }
}
}  // namespace

/// Bochkovskiy et al. 2020: four images meet at a random point, each scaled and cut at its quadrant.
Scene mosaic(const std::vector<Scene>& scenes, const ImageSize& output, const SceneOptions& options, Rng& rng) {
  int cx = static_cast<int>(std::lround(output.width * rng.uniform(0.3, 0.7)));
  int cy = static_cast<int>(std::lround(output.height * rng.uniform(0.3, 0.7)));
  cx = std::clamp(cx, 1, std::max(1, output.width - 1)), cy = std::clamp(cy, 1, std::max(1, output.height - 1));
  Scene result;
  result.image = make_image(output.height, output.width);
  view_of(result.image).setTo(cv::Scalar::all(options.fill));
  if (!scenes.empty() && scenes[0].mask.defined()) {
    result.mask = Tensor(DType::u8, {output.height, output.width});
    std::fill_n(result.mask.mutable_data<uint8_t>().data(), result.mask.size(), mask_ignore);
  }
  const Quadrant quadrants[4] = {
      {0, 0, cx, cy}, {cx, 0, output.width, cy}, {0, cy, cx, output.height}, {cx, cy, output.width, output.height}};
  for (size_t i = 0; i < 4 && i < scenes.size(); ++i) {
    const Quadrant& q = quadrants[i];
    if (q.x1 <= q.x0 || q.y1 <= q.y0) continue;
    const Scene& scene = scenes[i];
    double width = static_cast<double>(scene.image.dim(1)), height = static_cast<double>(scene.image.dim(0));
    // At scale 1 the image fills its quadrant; larger scales are cut at the center point's sides.
    double cover = std::max((q.x1 - q.x0) / width, (q.y1 - q.y0) / height), scale = cover * rng.uniform(1.0, 1.6);
    Placement p{scale, scale, 0, 0, false, output.width};
    bool flip = rng.chance(options.flip);
    p.offset_x = q.x0 - rng.uniform() * (width * scale - (q.x1 - q.x0));
    p.offset_y = q.y0 - rng.uniform() * (height * scale - (q.y1 - q.y0));
    if (flip) {  // mirrored in place: the placement mirrors the whole output
      p.flip = true;
      p.offset_x = output.width - (p.offset_x + width * scale);
    }
    SceneOptions keep_all = options;
    keep_all.min_visible = 0;
    insert(place(scene, p, output, keep_all), q, options, result);
  }
  return result;
}

/// Zhang et al. 2018, as YOLOX has it for detection: half of each, and the objects of both.
Scene mix_up(const Scene& a, const Scene& b) {
  Scene result;
  result.image = make_image(static_cast<int>(a.image.dim(0)), static_cast<int>(a.image.dim(1)));
  cv::Mat out = view_of(result.image);
  cv::addWeighted(view_of(a.image), 0.5, view_of(b.image), 0.5, 0, out);
  result.objects = a.objects;
  result.objects.insert(result.objects.end(), b.objects.begin(), b.objects.end());
  return result;
}

/// Ghiasi et al. 2021: about half of the other image's objects are pasted where they were; what they hide almost wholly
/// goes.
Scene copy_paste(const Scene& base, const Scene& source, Rng& rng) {
  Scene result = base;
  result.image = base.image.clone();
  if (base.mask.defined()) result.mask = base.mask.clone();
  auto height = static_cast<int>(base.image.dim(0)), width = static_cast<int>(base.image.dim(1));
  for (const Annotation& object : source.objects) {
    if (object.crowd || !rng.chance(0.5)) continue;
    Rle mask = mask_of(object, height, width);
    Tensor pasted = decode_rle(mask);
    cv::Mat where(height, width, CV_8U, pasted.mutable_raw());
    view_of(source.image).copyTo(view_of(result.image), where);
    std::vector<Annotation> kept;
    for (Annotation& old : result.objects) {
      Rle before = mask_of(old, height, width);
      double visible = static_cast<double>(area(before) - intersection(before, mask));
      if (visible < 0.2 * static_cast<double>(area(before))) continue;
      if (old.has_mask()) {
        Tensor rest = decode_rle(before);
        auto values = rest.mutable_data<uint8_t>();
        auto hidden = pasted.data<uint8_t>();
        for (size_t i = 0; i < values.size(); ++i) values[i] = values[i] && !hidden[i];
        old.polygons.clear();
        old.mask = encode_rle(rest);
      }
      kept.push_back(std::move(old));
    }
    kept.push_back(object);
    result.objects = std::move(kept);
  }
  return result;
}

}  // namespace hone
