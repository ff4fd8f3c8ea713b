#include "app/report/html.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace hone::app {

namespace {

// The drawing area inside the picture.
constexpr double width = 560, height = 280, left = 48, right = 92, top = 16, bottom = 36;

/// A step of 1, 2 or 5 times a power of ten that cuts `span` into about `count` parts.
double tick_step(double span, int count) {
  double rough = span / count;
  double power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

struct Axis {
  double low, high, step, from, to;
  double at(double value) const { return from + (std::min(value, high) - low) / (high - low) * (to - from); }
};

std::string format_tick(double value, bool percent) {
  if (percent) return fmt::format("{:.0f}%", 100 * value);
  return fmt::format("{:g}", std::round(value * 1e6) / 1e6);
}

/// From the values; the first epochs of a loss, far above all others, are cut off.
Axis value_axis(const Chart& chart) {
  std::vector<double> values;
  for (const Series& series : chart.series)
    for (double value : series.values)
      if (std::isfinite(value)) values.push_back(value);
  if (values.empty()) values = {0, 1};
  std::sort(values.begin(), values.end());
  double low = values.front(), high = values.back(), middle = values[values.size() / 2];
  if (chart.percent) high = std::min(1.0, high + 0.01);
  else high = std::min(high, low + 4 * std::max(middle - low, 0.05 * std::abs(middle)) + 0.5 * std::abs(middle));
  double step = tick_step(std::max(high - low, 1e-6), 5);
  low = std::floor(low / step + 1e-9) * step;
  high = std::max(std::ceil(high / step - 1e-9) * step, low + step);
  return {low, high, step, height - bottom, top};
}

std::string grid(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (double value = y.low; value <= y.high + y.step / 2; value += y.step)
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
        left, width - right, y.at(value), y.at(value), left - 8, y.at(value) + 4, format_tick(value, chart.percent));
  for (double value = std::ceil(x.low / x.step) * x.step; value <= x.high + 1e-9; value += x.step)
    svg += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>", x.at(value),
                       height - bottom + 18, value);
  svg += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>", width - right + 22, height - bottom + 18,
                     escape_html(chart.x_name));
  return svg;
}

std::string curve(const Chart& chart, const Series& series, const Axis& x, const Axis& y) {
  std::string points, dots;
  for (size_t i = 0; i < series.values.size(); ++i) {
    if (!std::isfinite(series.values[i])) continue;
    double px = x.at(chart.x[i]), py = y.at(series.values[i]);
    points += fmt::format("{:.1f},{:.1f} ", px, py);
    std::string value =
        chart.percent ? fmt::format("{:.1f}%", 100 * series.values[i]) : fmt::format("{:.3f}", series.values[i]);
    dots +=
        fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"7\" class=\"hit\"><title>{} {:g}: {} {}</title></circle>",
                    px, py, escape_html(chart.x_name), chart.x[i], escape_html(series.name), value);
  }
  return fmt::format("<polyline class=\"curve\" stroke=\"{}\" points=\"{}\"/>{}", series.color, points, dots);
}

/// Names at the ends of the curves, moved apart where they would overlap.
std::string end_labels(const Chart& chart, const Axis& y) {
  std::vector<std::pair<double, const Series*>> labels;
  for (const Series& series : chart.series)
    if (!series.values.empty() && std::isfinite(series.values.back()))
      labels.emplace_back(y.at(series.values.back()), &series);
  std::sort(labels.begin(), labels.end());
  std::string svg;
  double last = -100;
  for (auto [at, series] : labels) {
    last = std::max(at, last + 16);
    svg += fmt::format("<text class=\"name\" x=\"{}\" y=\"{:.1f}\" fill=\"{}\">{}</text>", width - right + 8, last + 4,
                       series->color, escape_html(series->name));
  }
  return svg;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string base64(std::string_view bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string line_chart(const Chart& chart) {
  if (chart.x.empty()) return "";
  Axis y = value_axis(chart);
  double first = chart.x.front(), last = std::max(chart.x.back(), first + 1);
  Axis x{first, last, std::max(1.0, tick_step(last - first, 6)), left, width - right};
  std::string svg = fmt::format(
      "<figure class=\"chart\"><figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
      escape_html(chart.title), width, height, escape_html(chart.title));
  svg += grid(chart, x, y);
  for (const Series& series : chart.series) svg += curve(chart, series, x, y);
  return svg + end_labels(chart, y) + "</svg></figure>\n";
}

}  // namespace hone::app
