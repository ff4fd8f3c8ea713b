#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "quantize/quantizer.hpp"

namespace hone::app {

/// One way to quantize a model, measured.
struct SweepPoint {
  std::string preset, range;
  double quality = 0;     ///< accuracy, or decibels when there are no labels
  double latency_ms = 0;  ///< best of several inferences on one sample
  bool fp32 = false;
  bool front = false;     ///< no other point is both better and faster
};

struct Sweep {
  std::vector<SweepPoint> points;
  std::string quality_name;  ///< "top-1", "mAP", "mIoU" or "SQNR dB"
  bool measured = false;     ///< accuracy, not decibels
  Graph best;                ///< the quantized graph with the best quality
  QuantizeReport report;     ///< of it
};

/// Quantizes with both presets and all range estimators and measures each: with `validate`, which gives a `metric` like
/// "top-1", or, when that is empty, by the signal-to-noise ratio of the outputs on calibration samples. A bias
/// correction that is left automatic is decided once.
Sweep run_sweep(Quantizer& quantizer, const QuantizeOptions& options,
                const std::function<double(const Graph&)>& validate, const std::string& metric, Progress& progress);
/// Marks the points that no other one beats.
void mark_front(std::vector<SweepPoint>& points);
/// Milliseconds with at least two digits that count.
std::string latency_text(double milliseconds);
std::string sweep_table(const Sweep& sweep);
/// Accuracy over latency as a picture. A name that ends in .html gets a page with the table as well.
void write_sweep_plot(const std::filesystem::path& path, const Sweep& sweep, const std::string& title);

}  // namespace hone::app
