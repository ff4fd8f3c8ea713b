#include "app/quantize/quantize_sweep.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "app/support/format.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"

namespace hone::app {

namespace {

constexpr double measure_seconds = 0.7;
constexpr size_t most_samples = 16;

double latency(const RunModel& run, const std::vector<Tensor>& sample) {
  using Clock = std::chrono::steady_clock;
  run(sample);
  double best = 1e30, total = 0;
  for (int i = 0; i < 200 && (i < 3 || total < measure_seconds); ++i) {
    auto begin = Clock::now();
    run(sample);
    double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return 1000 * best;
}

// Signal over noise of all f32 outputs, in decibels.
double decibels(const RunModel& exact, const RunModel& quantized, const std::vector<std::vector<Tensor>>& samples) {
  double signal = 0, noise = 0;
  for (size_t s = 0; s < std::min(most_samples, samples.size()); ++s) {
    std::vector<Tensor> wanted = exact(samples[s]), got = quantized(samples[s]);
    for (size_t o = 0; o < wanted.size(); ++o) {
      if (wanted[o].dtype() != DType::f32 || got[o].dims() != wanted[o].dims()) continue;
      auto a = wanted[o].data<float>(), b = got[o].data<float>();
      for (size_t i = 0; i < a.size(); ++i) {
        signal += static_cast<double>(a[i]) * a[i];
        noise += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
      }
    }
  }
  return 10 * std::log10(std::max(signal, 1e-30) / std::max(noise, 1e-30));
}

std::string quality_text(const Sweep& sweep, const SweepPoint& point) {
  if (sweep.measured) return format_percent(point.quality);
  return point.fp32 ? "-" : fmt::format("{:.1f}", point.quality);
}

std::string svg(const Sweep& sweep, const std::string& title) {
  constexpr double width = 640, height = 400, left = 70, bottom = 50, top = 40, right = 20;
  std::vector<SweepPoint> points;
  // Without labels, fp32 is infinitely good.
  for (const SweepPoint& point : sweep.points)
    if (!point.fp32 || sweep.measured) points.push_back(point);
  auto range = [&](auto key) {
    auto [low, high] =
        std::minmax_element(points.begin(), points.end(), [&](auto& a, auto& b) { return key(a) < key(b); });
    double a = key(*low), b = key(*high), margin = b > a ? 0.08 * (b - a) : std::max(0.05 * std::fabs(a), 0.01);
    return std::pair{a - margin, b + margin};
  };
  auto [x0, x1] = range([](const SweepPoint& p) { return p.latency_ms; });
  auto [y0, y1] = range([](const SweepPoint& p) { return p.quality; });
  auto x = [&](double v) { return left + (v - x0) / (x1 - x0) * (width - left - right); };
  auto y = [&](double v) { return height - bottom - (v - y0) / (y1 - y0) * (height - top - bottom); };
  std::string s = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"22\" font-size=\"15\">{3}</text>\n", width, height, left, title);
  for (int i = 0; i <= 4; ++i) {
    double u = x0 + (x1 - x0) * i / 4, v = y0 + (y1 - y0) * i / 4;
    s += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\">{4:.2f}</text>\n",
        x(u), top, height - bottom, height - bottom + 18, u);
    s += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{1:.1f}\" "
        "text-anchor=\"end\">{4}</text>\n",
        left, y(v), width - right, left - 6, sweep.measured ? format_percent(v) : fmt::format("{:.1f}", v));
  }
  s += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">latency, ms</text>\n<text x=\"16\" y=\"{}\" "
                   "transform=\"rotate(-90 16 {})\" text-anchor=\"middle\">{}</text>\n",
                   (left + width) / 2, height - 10, height / 2, height / 2, sweep.quality_name);
  std::vector<SweepPoint> front;
  std::copy_if(points.begin(), points.end(), std::back_inserter(front), [](auto& p) { return p.front; });
  std::sort(front.begin(), front.end(), [](auto& a, auto& b) { return a.latency_ms < b.latency_ms; });
  std::string line;
  for (const SweepPoint& p : front) line += fmt::format("{:.1f},{:.1f} ", x(p.latency_ms), y(p.quality));
  s += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#06c\"/>\n", line);
  for (const SweepPoint& p : points) {
    bool at_right = x(p.latency_ms) > width - 160;  // where the name would leave the picture
    const char* color = p.fp32 ? "#888" : p.preset == "mixed" ? "#c30" : "#06c";
    s += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" "
        "font-size=\"10\">{}</text>\n",
        x(p.latency_ms), y(p.quality), p.front ? 5 : 3, color, x(p.latency_ms) + (at_right ? -7 : 7),
        y(p.quality) - 4, at_right ? "end" : "start", p.fp32 ? "fp32" : p.preset + " " + p.range);
  }
  return s + "</svg>\n";
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return result;
}

}  // namespace

void mark_front(std::vector<SweepPoint>& points) {
  for (SweepPoint& point : points)
    point.front = std::none_of(points.begin(), points.end(), [&](const SweepPoint& other) {
      bool no_worse = other.quality >= point.quality && other.latency_ms <= point.latency_ms;
      return no_worse && (other.quality > point.quality || other.latency_ms < point.latency_ms);
    });
}

Sweep run_sweep(Quantizer& quantizer, const QuantizeOptions& options,
                const std::function<double(const Graph&)>& validate, const std::string& metric, Progress& progress) {
  Sweep sweep;
  sweep.measured = static_cast<bool>(validate);
  sweep.quality_name = validate ? metric : "SQNR dB";
  const auto& samples = quantizer.samples().kept();
  RunModel exact = quantizer.make_runner()(quantizer.exact());
  SweepPoint fp32{.preset = "fp32", .quality = validate ? validate(quantizer.exact()) : 0, .fp32 = true};
  fp32.latency_ms = latency(exact, samples[0]);
  QuantizeReport usual;
  quantizer.build(options, {}, &usual, progress);
  double best = -1e30;
  int64_t done = 0;
  progress.begin("sweep", 2 * static_cast<int64_t>(range_methods().size()));
  for (auto [preset, scheme] :
       {std::pair{"performance", ActivationScheme::symmetric}, {"mixed", ActivationScheme::asymmetric}})
    for (RangeMethod method : range_methods()) {
      check_interrupt("sweep");
      QuantizeOptions tried = options;
      tried.activations = scheme;
      tried.range = method;
      tried.bias_correction = usual.bias_correction;
      QuantizeReport report;
      Graph graph = quantizer.build(tried, {}, &report, no_progress());
      RunModel run = quantizer.make_runner()(graph);
      SweepPoint point{.preset = preset, .range = name_of(method)};
      point.latency_ms = latency(run, samples[0]);
      point.quality = validate ? validate(graph) : decibels(exact, run, samples);
      sweep.points.push_back(point);
      if (point.quality > best) best = point.quality, sweep.best = std::move(graph), sweep.report = report;
      progress.update(++done, fmt::format("{} {}", preset, name_of(method)));
    }
  progress.end();
  // Without labels fp32 has no quality to compare.
  if (validate) sweep.points.push_back(fp32);
  mark_front(sweep.points);
  if (!validate) sweep.points.push_back(fp32);
  return sweep;
}

std::string sweep_table(const Sweep& sweep) {
  Table table({"preset", "range", sweep.quality_name, "ms", "front"}, {1, 4});
  for (const SweepPoint& point : sweep.points)
    table.add({point.preset, point.range, quality_text(sweep, point), fmt::format("{:.2f}", point.latency_ms),
               point.front ? "*" : ""});
  return table.text();
}

void write_sweep_plot(const std::filesystem::path& path, const Sweep& sweep, const std::string& title) {
  std::string picture = svg(sweep, escaped(title));
  if (path.extension() == ".svg") return write_file(path, picture);
  write_file(
      path,
      fmt::format("<!DOCTYPE html>\n<html><head><meta "
                  "charset=\"utf-8\"><title>{0}</title></head>\n<body>\n{1}<pre>\n{2}</pre>\n"
                  "<p>Points of the front are large: no other one is both better and faster.</p>\n</body></html>\n",
                  escaped(title), picture, escaped(sweep_table(sweep))));
}

}  // namespace hone::app
