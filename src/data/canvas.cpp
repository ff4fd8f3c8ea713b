#include "data/canvas.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/image_cv.hpp"

namespace hone {

namespace {

constexpr int font = cv::FONT_HERSHEY_DUPLEX;
constexpr int fine = 4;  // text is drawn so much larger and averaged down: the font's own antialiasing is poor

cv::Rect rect_of(const Tensor& image, const Box& box) {
  auto x0 = static_cast<int>(std::lround(std::clamp(box.x, 0.0, double(image.dim(1)))));
  auto y0 = static_cast<int>(std::lround(std::clamp(box.y, 0.0, double(image.dim(0)))));
  auto x1 = static_cast<int>(std::lround(std::clamp(box.right(), 0.0, double(image.dim(1)))));
  auto y1 = static_cast<int>(std::lround(std::clamp(box.bottom(), 0.0, double(image.dim(0)))));
  return {x0, y0, std::max(0, x1 - x0), std::max(0, y1 - y0)};
}

cv::Scalar scalar(Color color) { return {double(color[0]), double(color[1]), double(color[2])}; }

/// Latin letters without their accents, by code point from U+00C0 on.
char plain_letter(uint32_t code) {
  static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
  return code >= 0xC0 && code <= 0xFF ? latin[code - 0xC0] : '?';
}

std::string to_ascii(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    auto lead = static_cast<uint8_t>(text[i]);
    size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (lead < 0x80) result += lead < 0x20 ? ' ' : text[i];
    else
      result += length == 2 && i + 1 < text.size()
                    ? plain_letter((lead & 0x1Fu) << 6 | (static_cast<uint8_t>(text[i + 1]) & 0x3Fu))
                    : '?';
    i += length;
  }
  return result;
}

double scale_of(int height) {
  return std::max(1, height) / 30.0;
}  // the font's letters reach from 22 above to 8 below the line
int stroke_of(int height) { return std::max(1, static_cast<int>(std::lround(height * fine / 16.0))); }

}  // namespace

void fill_box(Tensor& image, const Box& box, Color color, double opacity) {
  cv::Rect rect = rect_of(image, box);
  if (rect.empty()) return;
  cv::Mat part = view_of(image)(rect);
  if (opacity >= 1) part.setTo(scalar(color));
  else cv::addWeighted(part, 1 - opacity, cv::Mat(part.size(), CV_8UC3, scalar(color)), opacity, 0, part);
}

void outline_box(Tensor& image, const Box& box, Color color, int thickness) {
  double t = std::min<double>(thickness, std::min(box.w, box.h) / 2);
  fill_box(image, {box.x, box.y, box.w, t}, color);
  fill_box(image, {box.x, box.bottom() - t, box.w, t}, color);
  fill_box(image, {box.x, box.y, t, box.h}, color);
  fill_box(image, {box.right() - t, box.y, t, box.h}, color);
}

ImageSize text_size(const std::string& text, int height) {
  int baseline = 0;
  cv::Size size = cv::getTextSize(to_ascii(text), font, scale_of(height) * fine, 1, &baseline);
  return {height, (size.width + fine - 1) / fine};
}

void draw_text(Tensor& image, const std::string& text, int x, int y, int height, Color color) {
  ImageSize size = text_size(text, height);
  if (text.empty() || size.width < 1) return;
  cv::Mat large(height * fine, (size.width + 2) * fine, CV_8U, cv::Scalar(0)), mask;
  cv::putText(large, to_ascii(text), {fine / 2, static_cast<int>(std::lround(height * fine * 0.77))}, font,
              scale_of(height) * fine, cv::Scalar(255), stroke_of(height), cv::LINE_AA);
  cv::resize(large, mask, {size.width + 2, height}, 0, 0, cv::INTER_AREA);
  cv::Mat view = view_of(image);
  for (int r = std::max(0, -y); r < mask.rows && y + r < view.rows; ++r)
    for (int c = std::max(0, -x); c < mask.cols && x + c < view.cols; ++c) {
      int alpha = mask.at<uint8_t>(r, c);
      auto& pixel = view.at<cv::Vec3b>(y + r, x + c);
      for (int k = 0; k < 3; ++k)
        pixel[k] = static_cast<uint8_t>((pixel[k] * (255 - alpha) + color[static_cast<size_t>(k)] * alpha + 127) / 255);
    }
}

Color text_color(Color background) {
  bool bright = background[0] * 0.3 + background[1] * 0.59 + background[2] * 0.11 > 140;
  return bright ? Color{0, 0, 0} : Color{255, 255, 255};
}

void tint(Tensor& image, const Tensor& classes, uint8_t value, Color color, double opacity) {
  auto map = classes.data<uint8_t>();
  auto pixels = image.mutable_data<uint8_t>();
  int share = static_cast<int>(std::lround(std::clamp(opacity, 0.0, 1.0) * 256));
  for (size_t i = 0; i < map.size() && 3 * i + 2 < pixels.size(); ++i)
    if (map[i] == value)
      for (size_t k = 0; k < 3; ++k)
        pixels[3 * i + k] = static_cast<uint8_t>((pixels[3 * i + k] * (256 - share) + color[k] * share) >> 8);
}

void outline_classes(Tensor& image, const Tensor& classes, Color color) {
  auto map = classes.data<uint8_t>();
  auto pixels = image.mutable_data<uint8_t>();
  auto height = static_cast<size_t>(classes.dim(0)), width = static_cast<size_t>(classes.dim(1));
  for (size_t y = 0; y + 1 < height; ++y)
    for (size_t x = 0; x + 1 < width; ++x) {
      size_t i = y * width + x;
      if (map[i] != map[i + 1] || map[i] != map[i + width])
        for (size_t k = 0; k < 3; ++k) pixels[3 * i + k] = color[k];
    }
}

void overlay_heat(Tensor& image, const Tensor& map, double opacity) {
  cv::Mat values(static_cast<int>(map.dim(0)), static_cast<int>(map.dim(1)), CV_32F, const_cast<void*>(map.raw()));
  cv::Mat view = view_of(image), smooth, bytes, colors;
  cv::resize(values, smooth, view.size(), 0, 0, cv::INTER_CUBIC);
  cv::Mat(cv::min(cv::max(smooth, 0.0), 1.0)).convertTo(bytes, CV_8U, 255);
  cv::applyColorMap(bytes, colors, cv::COLORMAP_TURBO);  // BGR
  for (int y = 0; y < view.rows; ++y)
    for (int x = 0; x < view.cols; ++x) {
      double heat = bytes.at<uint8_t>(y, x) / 255.0, alpha = opacity * (0.25 + 0.75 * heat);
      auto& pixel = view.at<cv::Vec3b>(y, x);
      const auto& color = colors.at<cv::Vec3b>(y, x);
      for (int k = 0; k < 3; ++k)
        pixel[k] = static_cast<uint8_t>(std::lround(pixel[k] * (1 - alpha) + color[2 - k] * alpha));
    }
}

Tensor crop_image(const Tensor& image, const Box& box) {
  cv::Rect rect = rect_of(image, box);
  rect.x = std::min(rect.x, static_cast<int>(image.dim(1)) - 1);
  rect.y = std::min(rect.y, static_cast<int>(image.dim(0)) - 1);
  rect.width = std::max(rect.width, 1);
  rect.height = std::max(rect.height, 1);
  Tensor part = make_image(rect.height, rect.width);
  cv::Mat target = view_of(part);
  view_of(image)(rect).copyTo(target);
  return part;
}

}  // namespace hone
