#include "app/quantize/quantize_sweep.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "app/quantize/sweep_picture.hpp"
#include "app/support/format.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"
#include "tensor/signal_noise.hpp"

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
  SignalNoise all;
  for (size_t s = 0; s < std::min(most_samples, samples.size()); ++s) {
    std::vector<Tensor> wanted = exact(samples[s]), got = quantized(samples[s]);
    for (size_t o = 0; o < wanted.size(); ++o) all.add(wanted[o], got[o]);
  }
  return all.decibels();
}

std::string quality_text(const Sweep& sweep, const SweepPoint& point) {
  if (sweep.measured) return format_percent(point.quality);
  return point.fp32 ? "-" : fmt::format("{:.1f}", point.quality);
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
  const auto start = std::chrono::steady_clock::now();
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
  sweep.report.tried.clear();  // what decided was the sweep
  sweep.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Without labels fp32 has no quality to compare.
  if (validate) sweep.points.push_back(fp32);
  mark_front(sweep.points);
  if (!validate) sweep.points.push_back(fp32);
  return sweep;
}

std::string latency_text(double milliseconds) {
  return fmt::format("{:.{}f}", milliseconds,
                     milliseconds < 0.1   ? 4
                     : milliseconds < 1   ? 3
                     : milliseconds < 100 ? 2
                                          : 1);
}

std::string sweep_table(const Sweep& sweep) {
  Table table({"preset", "range", sweep.quality_name, "ms", "front"}, {1, 4});
  for (const SweepPoint& point : sweep.points)
    table.add({point.preset, point.range, quality_text(sweep, point), latency_text(point.latency_ms),
               point.front ? "*" : ""});
  return table.text();
}

void write_sweep_plot(const std::filesystem::path& path, const Sweep& sweep, const std::string& title) {
  std::string picture = sweep_picture(sweep, title);
  if (path.extension() == ".svg") return write_file(path, picture);
  write_file(
      path,
      fmt::format("<!DOCTYPE html>\n<html><head><meta "
                  "charset=\"utf-8\"><title>{0}</title></head>\n<body>\n{1}<pre>\n{2}</pre>\n"
                  "</body></html>\n",
                  escaped(title), picture, escaped(sweep_table(sweep))));
}

}  // namespace hone::app
