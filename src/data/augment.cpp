#include "data/augment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/image.hpp"
#include "data/image_cv.hpp"

namespace hone {

namespace {
void require_range(const char* option, double value, double low, double high) {
  if (!(value >= low && value <= high))
    throw Error("augmentation", fmt::format("{} is {}, expected {} to {}", option, value, low, high));
}

/// A rectangle of random area and aspect inside the image (torchvision's RandomResizedCrop with ten tries, but with the
/// aspect relative to the image's, so that a whole photo is a possible crop).
cv::Rect random_crop(cv::Size image, const AugmentOptions& options, Rng& rng) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    double area = rng.uniform(options.min_area, options.max_area);
    double aspect = std::exp(rng.uniform(std::log(options.min_aspect), std::log(options.max_aspect)));
    int width = static_cast<int>(std::lround(image.width * std::sqrt(area * aspect)));
    int height = static_cast<int>(std::lround(image.height * std::sqrt(area / aspect)));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    return {rng.between(0, image.width - width), rng.between(0, image.height - height), width, height};
  }
  return {0, 0, image.width, image.height};
}

/// Area averaging for a clear reduction. Between 1x and 2x, linear half of the time: a trained model must not depend on
/// how its application resizes.
int random_interpolation(cv::Size from, cv::Size to, Rng& rng) {
  bool linear = rng.chance(0.5);
  bool shrinks = from.width >= to.width && from.height >= to.height;
  bool strongly = from.width > 2 * to.width || from.height > 2 * to.height;
  return shrinks && (strongly || !linear) ? cv::INTER_AREA : cv::INTER_LINEAR;
}

void rotated_crop(const cv::Mat& source, cv::Rect crop, double degrees, int interpolation, cv::Mat& out) {
  // Shrink first, since warpAffine does not average.
  double scale_x = std::min(1.0, static_cast<double>(out.cols) / crop.width);
  double scale_y = std::min(1.0, static_cast<double>(out.rows) / crop.height);
  cv::Mat reduced;
  cv::resize(source, reduced, cv::Size(), scale_x, scale_y, interpolation);
  scale_x = static_cast<double>(reduced.cols) / source.cols;
  scale_y = static_cast<double>(reduced.rows) / source.rows;
  // Output pixel -> centered, rotated, scaled to the crop -> reduced image.
  double angle = degrees * std::numbers::pi / 180;
  double step_x = crop.width * scale_x / out.cols, step_y = crop.height * scale_y / out.rows;
  double center_x = (crop.x + crop.width * 0.5) * scale_x - 0.5,
         center_y = (crop.y + crop.height * 0.5) * scale_y - 0.5;
  double a = step_x * std::cos(angle), b = -step_x * std::sin(angle);
  double c = step_y * std::sin(angle), d = step_y * std::cos(angle);
  double half_x = (out.cols - 1) * 0.5, half_y = (out.rows - 1) * 0.5;
  cv::Matx23d map(a, b, center_x - a * half_x - b * half_y, c, d, center_y - c * half_x - d * half_y);
  cv::warpAffine(reduced, out, map, out.size(), cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_REFLECT_101);
}

void flip(cv::Mat& image, const AugmentOptions& options, Rng& rng) {
  bool left_right = rng.chance(options.flip);
  bool up_down = rng.chance(options.vertical_flip);
  if (left_right || up_down) cv::flip(image, image, left_right && up_down ? -1 : (left_right ? 1 : 0));
}

double random_factor(double strength, Rng& rng) { return rng.uniform(std::max(0.0, 1 - strength), 1 + strength); }

/// Brightness, contrast, saturation and hue as one affine map of RGB. Hue turns the chroma plane of YIQ.
void jitter_color(cv::Mat& image, const AugmentOptions& options, Rng& rng) {
  double brightness = random_factor(options.brightness, rng);
  double contrast = random_factor(options.contrast, rng);
  double saturation = random_factor(options.saturation, rng);
  double turn = rng.uniform(-options.hue, options.hue) * 2 * std::numbers::pi;
  if (options.brightness == 0 && options.contrast == 0 && options.saturation == 0 && options.hue == 0) return;
  const cv::Matx33d to_yiq(0.299, 0.587, 0.114, 0.596, -0.274, -0.322, 0.211, -0.523, 0.312);
  double i = saturation * std::cos(turn), q = saturation * std::sin(turn);
  cv::Matx33d color = to_yiq.inv() * cv::Matx33d(1, 0, 0, 0, i, -q, 0, q, i) * to_yiq * (brightness * contrast);
  cv::Scalar mean = cv::mean(image);
  double gray = brightness * (0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2]);
  cv::Matx34f map;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) map(row, column) = static_cast<float>(color(row, column));
    map(row, 3) = static_cast<float>((1 - contrast) * gray);
  }
  cv::transform(image, image, map);
}

void erase(cv::Mat& image, const AugmentOptions& options, Rng& rng) {
  if (!rng.chance(options.erase)) return;
  double area = rng.uniform(std::min(0.02, options.erase_max_area), options.erase_max_area) * image.cols * image.rows;
  double aspect = std::exp(rng.uniform(std::log(0.4), std::log(2.5)));
  int width = std::clamp(static_cast<int>(std::lround(std::sqrt(area * aspect))), 1, image.cols);
  int height = std::clamp(static_cast<int>(std::lround(std::sqrt(area / aspect))), 1, image.rows);
  cv::Rect place(rng.between(0, image.cols - width), rng.between(0, image.rows - height), width, height);
  double red = rng.below(256), green = rng.below(256), blue = rng.below(256);
  image(place).setTo(cv::Scalar(red, green, blue));
}
}  // namespace

void validate(const AugmentOptions& options) {
  require_range("min_area", options.min_area, 1e-4, 1);
  require_range("max_area", options.max_area, options.min_area, 1);
  require_range("min_aspect", options.min_aspect, 0.01, 100);
  require_range("max_aspect", options.max_aspect, options.min_aspect, 100);
  require_range("flip", options.flip, 0, 1);
  require_range("vertical_flip", options.vertical_flip, 0, 1);
  require_range("rotation", options.rotation, 0, 180);
  require_range("brightness", options.brightness, 0, 10);
  require_range("contrast", options.contrast, 0, 10);
  require_range("saturation", options.saturation, 0, 10);
  require_range("hue", options.hue, 0, 0.5);
  require_range("erase", options.erase, 0, 1);
  require_range("erase_max_area", options.erase_max_area, 0, 1);
}

void jitter_colors(Tensor& image, const AugmentOptions& options, Rng& rng) {
  require_image(image, "augmentation");
  use_single_threaded_opencv();
  cv::Mat view = view_of(image);
  jitter_color(view, options, rng);
}

void augment(const Tensor& image, int height, int width, const AugmentOptions& options, Rng& rng, Tensor& out) {
  require_image(image, "augmentation");
  validate(options);
  if (height < 1 || width < 1)
    throw Error("augmentation", fmt::format("expected a size of at least 1x1, got {}x{}", width, height));
  use_single_threaded_opencv();
  if (out.dtype() != DType::u8 || out.dims() != Dims{height, width, 3}) out = make_image(height, width);
  cv::Mat source = view_of(image), target = view_of(out);
  cv::Rect crop = random_crop(source.size(), options, rng);
  int interpolation = random_interpolation(crop.size(), target.size(), rng);
  double degrees = rng.uniform(-options.rotation, options.rotation);
  if (degrees != 0)
    rotated_crop(source, crop, degrees, interpolation, target);
  else
    cv::resize(source(crop), target, target.size(), 0, 0, interpolation);
  flip(target, options, rng);
  jitter_color(target, options, rng);
  erase(target, options, rng);
}

}  // namespace hone
