#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "data/image_cv.hpp"
#include "data/parts/scene.hpp"
#include "data/random.hpp"
#include "data/synthetic.hpp"

namespace hone {

namespace {
/// Film response: highlights roll off, then the sRGB-like curve; a slight color cast of the camera.
void develop(cv::Mat& light, Rng& rng) {
  cv::Scalar cast(rng.uniform(0.92, 1.08), 1, rng.uniform(0.92, 1.08));
  cv::multiply(light, cast, light);
  light = -light;
  cv::exp(light, light);
  light = cv::Scalar::all(1) - light;
  cv::pow(cv::max(light, 0), 1 / 2.2, light);
}

void blur(cv::Mat& image, Rng& rng) {
  double unit = image.cols / 160.0;
  double sigma = rng.chance(0.8) ? rng.uniform(0, 0.6) : rng.uniform(0.6, 1.1);
  if (sigma > 0.2) cv::GaussianBlur(image, image, {0, 0}, sigma * unit);
  if (rng.chance(0.1)) {  // a shaken camera
    int length = std::max(3, static_cast<int>(rng.uniform(2, 4) * unit) | 1);
    cv::Mat kernel = cv::Mat::zeros(length, length, CV_32F);
    double angle = rng.uniform(0, std::numbers::pi), half = (length - 1) / 2.0;
    cv::Point2d step(std::cos(angle) * half, std::sin(angle) * half), middle(half, half);
    cv::line(kernel, middle - step, middle + step, cv::Scalar(1), 1, cv::LINE_AA);
    kernel /= cv::sum(kernel)[0];
    cv::filter2D(image, image, -1, kernel);
  }
}

void add_sensor_noise(cv::Mat& image, Rng& rng) {
  double strength = rng.uniform(0.004, 0.028), vignette = rng.uniform(0, 0.35);
  for (int y = 0; y < image.rows; ++y)
    for (int x = 0; x < image.cols; ++x) {
      double u = 2.0 * x / image.cols - 1, v = 2.0 * y / image.rows - 1;
      double fall = 1 - vignette * (u * u + v * v) / 2;
      double common = rng.normal();
      for (int c = 0; c < 3; ++c) {
        float& value = image.at<cv::Vec3f>(y, x)[c];
        value =
            static_cast<float>(value * fall + strength * (0.7 * common + 0.5 * rng.normal()) * std::sqrt(value + 0.1));
      }
    }
}
}  // namespace

Tensor render_part(const std::string& part, int size, uint64_t seed) {
  GenerateOptions options;
  options.size = size;
  validate(options, {part});
  use_single_threaded_opencv();
  Rng rng(seed, parts::hash_name(part));
  int rows = std::max(1, size * 3 / 4);
  cv::Mat fine = parts::render(parts::random_scene(part, rng), rows * 2, size * 2), image;
  develop(fine, rng);
  cv::resize(fine, image, {size, rows}, 0, 0, cv::INTER_AREA);
  blur(image, rng);
  add_sensor_noise(image, rng);
  Tensor result = make_image(rows, size);
  cv::Mat view = view_of(result);
  image.convertTo(view, CV_8UC3, 255);
  return result;
}

}  // namespace hone
