#include "data/draw.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/augment/scene.hpp"
#include "data/image_cv.hpp"
#include "data/mask_file.hpp"

namespace hone {

namespace {
cv::Scalar scalar(std::array<uint8_t, 3> color) { return {double(color[0]), double(color[1]), double(color[2])}; }

void tint(cv::Mat& image, const Tensor& mask, uint8_t value, std::array<uint8_t, 3> color) {
  auto classes = mask.data<uint8_t>();
  for (int y = 0; y < image.rows; ++y)
    for (int x = 0; x < image.cols; ++x) {
      if (classes[static_cast<size_t>(y) * static_cast<size_t>(image.cols) + static_cast<size_t>(x)] != value) continue;
      auto& pixel = image.at<cv::Vec3b>(y, x);
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<uint8_t>((pixel[c] * 9 + color[static_cast<size_t>(c)] * 11) / 20);
    }
}

void draw_name(cv::Mat& image, const std::string& name, cv::Point corner, std::array<uint8_t, 3> color) {
  constexpr double scale = 0.42;
  int baseline = 0;
  cv::Size size = cv::getTextSize(name, cv::FONT_HERSHEY_SIMPLEX, scale, 1, &baseline);
  cv::Point at(std::clamp(corner.x, 0, std::max(0, image.cols - size.width - 6)),
               std::clamp(corner.y - 4, size.height + 4, image.rows - 2));
  cv::rectangle(image, {at.x, at.y - size.height - 4}, {at.x + size.width + 6, at.y + 4}, scalar(color), cv::FILLED);
  bool bright = color[0] * 0.3 + color[1] * 0.59 + color[2] * 0.11 > 140;
  cv::putText(image, name, {at.x + 3, at.y}, cv::FONT_HERSHEY_SIMPLEX, scale,
              bright ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255), 1, cv::LINE_AA);
}
}  // namespace

std::array<uint8_t, 3> class_color(int label) {
  double hue = std::fmod(label * 137.508 + 210, 360) / 60;  // golden angle: neighbors lie far apart
  double value = label % 3 == 1 ? 0.75 : 0.95, chroma = value * (label % 2 ? 0.65 : 0.8),
         x = chroma * (1 - std::abs(std::fmod(hue, 2) - 1)), m = value - chroma;
  double r = hue < 1 || hue >= 5 ? chroma : hue < 2 || hue >= 4 ? x : 0;
  double g = hue < 1 ? x : hue < 3 ? chroma : hue < 4 ? x : 0;
  double b = hue < 2 ? 0 : hue < 3 ? x : hue < 5 ? chroma : x;
  auto byte = [&](double v) { return static_cast<uint8_t>(std::lround((v + m) * 255)); };
  return {byte(r), byte(g), byte(b)};
}

Tensor draw_annotation(const Sample& sample, const Dataset& dataset, int longest) {
  Tensor image = image_of(sample);
  ImageSize full{static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))};
  double scale = static_cast<double>(longest) / std::max(full.height, full.width);
  scale = scale > 1 ? std::min(8.0, std::max(1.0, std::floor(scale))) : scale;
  ImageSize size{std::max(1, static_cast<int>(std::lround(full.height * scale))),
                 std::max(1, static_cast<int>(std::lround(full.width * scale)))};
  Tensor picture = resize_image(image, size.height, size.width).clone();
  cv::Mat view = view_of(picture);
  if (!sample.mask.empty()) {
    bool anomaly = dataset.task == Task::anomaly;
    Tensor mask = anomaly ? read_mask_values(sample.mask) : read_mask(sample.mask, dataset.masks);
    if (mask.rank() == 2) {
      if (anomaly)
        for (uint8_t& value : mask.mutable_data<uint8_t>()) value = value ? 1 : mask_ignore;
      mask = resize_mask(mask, size.height, size.width);
      for (int c = 0; c < (anomaly ? 2 : static_cast<int>(dataset.classes.size())); ++c)
        tint(view, mask, static_cast<uint8_t>(c), class_color(c));
    }
  }
  Placement p = fit(full, size, Fit::stretch);
  std::vector<Annotation> objects = place_objects(sample.objects, p, size);
  for (const Annotation& object : objects)
    if (object.has_mask())
      tint(view, decode_rle(mask_of(object, size.height, size.width)), 1, class_color(object.label));
  for (const Annotation& object : objects) {
    const Box& box = object.box;
    cv::Point from(static_cast<int>(std::lround(box.x)), static_cast<int>(std::lround(box.y)));
    cv::Point to(static_cast<int>(std::lround(box.right())) - 1, static_cast<int>(std::lround(box.bottom())) - 1);
    cv::rectangle(view, from, to, scalar(class_color(object.label)), object.crowd || object.difficult ? 1 : 2,
                  cv::LINE_8);
  }
  for (const Annotation& object : objects)
    draw_name(view, dataset.classes.at(static_cast<size_t>(object.label)),
              {static_cast<int>(object.box.x), static_cast<int>(object.box.y)}, class_color(object.label));
  return picture;
}

}  // namespace hone
