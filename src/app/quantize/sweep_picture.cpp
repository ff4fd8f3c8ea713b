#include "app/quantize/sweep_picture.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hone::app {

namespace {

constexpr double width = 950, height = 440, left = 76, right = 560, top = 52, bottom = 384, legend = 590;

struct Box {
  double x0, y0, x1, y1;
  bool meets(const Box& other) const { return x0 < other.x1 && other.x0 < x1 && y0 < other.y1 && other.y0 < y1; }
};

/// One axis: values to pixels, and round numbers as ticks.
struct Axis {
  double low, high, from, to, step;
  int decimals;

  Axis(double least, double most, double from, double to) : from(from), to(to) {
    double margin = most > least ? 0.1 * (most - least) : std::max(0.05 * std::fabs(least), 0.01);
    low = least - margin, high = most + margin;
    double wanted = (high - low) / 5, power = std::pow(10, std::floor(std::log10(wanted)));
    step = power * (wanted < 2 * power ? 2 : wanted < 5 * power ? 5 : 10);
    decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  }
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
  double first_tick() const { return std::ceil(low / step) * step; }
};

struct Drawn {
  const SweepPoint* point;
  double x, y, radius;
  Box box() const { return {x - radius, y - radius, x + radius, y + radius}; }
};

const char* color_of(const SweepPoint& p) { return p.fp32 ? "#666" : p.preset == "mixed" ? "#c0392b" : "#1f5fbf"; }

std::string name_of(const SweepPoint& p) { return p.fp32 ? "FP32" : p.preset + ", " + p.range; }

std::string grid(const Axis& x, const Axis& y, const Sweep& sweep) {
  std::string s;
  for (double v = x.first_tick(); v <= x.high; v += x.step)
    s += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#e4e4e4\"/>"
                     "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:.{5}f}</text>\n",
                     x.at(v), top, bottom, bottom + 18, v, x.decimals);
  for (double v = y.first_tick(); v <= y.high; v += y.step)
    s += fmt::format("<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#e4e4e4\"/>"
                     "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.{6}f}</text>\n",
                     left, y.at(v), right, left - 8, y.at(v) + 4, v, y.decimals);
  s += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#999\"/>\n", left, top,
                   right - left, bottom - top);
  s += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">latency of one inference, ms</text>\n"
                   "<text x=\"20\" y=\"{}\" transform=\"rotate(-90 20 {})\" text-anchor=\"middle\">{}</text>\n",
                   (left + right) / 2, bottom + 42, (top + bottom) / 2, (top + bottom) / 2,
                   sweep.measured ? sweep.quality_name + ", %" : "signal over quantization noise, dB");
  return s;
}

/// A number beside its point where it covers no other one; farther away it gets a line to its point.
std::string number_of(size_t number, const Drawn& point, std::vector<Box>& taken) {
  const double wide = number > 9 ? 15 : 8, high = 11;
  Box best{};
  bool found = false;
  for (double away = 4; away < 90 && !found; away += 6)
    for (int direction = 0; direction < 16 && !found; ++direction) {
      const double angle = 3.14159265 * direction / 8, reach = point.radius + away;
      const double cx = point.x + std::cos(angle) * (reach + wide / 2),
                   cy = point.y - std::sin(angle) * (reach + high / 2);
      best = {cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2};
      found = best.x0 > left && best.x1 < right && best.y0 > top && best.y1 < bottom &&
              std::none_of(taken.begin(), taken.end(), [&](const Box& box) { return best.meets(box); });
    }
  taken.push_back(best);
  const double cx = (best.x0 + best.x1) / 2, cy = (best.y0 + best.y1) / 2;
  std::string s;
  if (std::hypot(cx - point.x, cy - point.y) > 22)
    s += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#aaa\"/>", point.x,
                     point.y, cx, cy);
  return s + fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"11\" fill=\"{}\" "
                         "paint-order=\"stroke\" stroke=\"white\" stroke-width=\"3\">{}</text>\n",
                         cx, cy + 4, color_of(*point.point), number);
}

std::string legend_line(size_t row, const std::string& number, const SweepPoint& p, const std::string& figures) {
  const double y = top + 26 + 22 * static_cast<double>(row);
  return fmt::format("<circle cx=\"{0}\" cy=\"{1}\" r=\"{2}\" fill=\"{3}\"/><text x=\"{4}\" y=\"{5}\" "
                     "text-anchor=\"end\">{6}</text><text x=\"{7}\" y=\"{5}\"{8}>{9}</text>"
                     "<text x=\"{10}\" y=\"{5}\" text-anchor=\"end\">{11}</text>\n",
                     legend + 6, y - 4, p.front ? 6 : 4, color_of(p), legend + 32, y, number, legend + 42,
                     p.front ? " font-weight=\"bold\"" : "", escaped(name_of(p)), width - 16, figures);
}

std::string front_line(const std::vector<Drawn>& points) {
  std::vector<Drawn> front;
  std::copy_if(points.begin(), points.end(), std::back_inserter(front), [](auto& p) { return p.point->front; });
  std::sort(front.begin(), front.end(), [](auto& a, auto& b) { return a.x < b.x; });
  std::string line;
  for (const Drawn& p : front) line += fmt::format("{:.1f},{:.1f} ", p.x, p.y);
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"5 3\"/>\n", line);
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return result;
}

std::string sweep_picture(const Sweep& sweep, const std::string& title) {
  // Without labels, FP32 is infinitely good: it is in the legend only.
  const double unit = sweep.measured ? 100 : 1;
  std::vector<const SweepPoint*> shown;
  for (const SweepPoint& p : sweep.points)
    if (!p.fp32 || sweep.measured) shown.push_back(&p);
  auto [fast, slow] = std::minmax_element(shown.begin(), shown.end(),
                                          [](auto* a, auto* b) { return a->latency_ms < b->latency_ms; });
  auto [worst, best] =
      std::minmax_element(shown.begin(), shown.end(), [](auto* a, auto* b) { return a->quality < b->quality; });
  Axis x((*fast)->latency_ms, (*slow)->latency_ms, left, right),
      y(unit * (*worst)->quality, unit * (*best)->quality, bottom, top);
  std::string s = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"28\" font-size=\"16\">{3}</text>\n", width, height, left, escaped(title));
  s += grid(x, y, sweep);
  std::vector<Drawn> drawn;
  std::vector<Box> taken;
  for (const SweepPoint* p : shown) {
    drawn.push_back({p, x.at(p->latency_ms), y.at(unit * p->quality), p->front ? 6.0 : 4.0});
    taken.push_back(drawn.back().box());
  }
  s += front_line(drawn);
  for (const Drawn& p : drawn)
    s += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", p.x, p.y, p.radius,
                     color_of(*p.point));
  for (size_t i = 0; i < drawn.size(); ++i) s += number_of(i + 1, drawn[i], taken);
  s += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"#666\">preset, range</text><text x=\"{}\" y=\"{}\" fill=\"#666\" "
                   "text-anchor=\"end\">{}, ms</text>\n", legend + 42, top + 4, width - 16, top + 4,
                   sweep.measured ? sweep.quality_name : "dB");
  size_t row = 0;
  for (const SweepPoint& p : sweep.points) {
    bool has_quality = !p.fp32 || sweep.measured;
    std::string quality = !has_quality ? "-" : fmt::format("{:.1f}{}", unit * p.quality, sweep.measured ? "%" : "");
    s += legend_line(row, has_quality ? std::to_string(row + 1) : "", p,
                     quality + ", " + latency_text(p.latency_ms));
    ++row;
  }
  s += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"#666\">Large and bold: no other is both better and faster.</text>\n",
                   legend, top + 30 + 22 * static_cast<double>(row));
  return s + "</svg>\n";
}

}  // namespace hone::app
