#include "quantize/quantize.hpp"

#include <chrono>

#include "quantize/quantizer.hpp"

namespace hone {

const char* name_of(BiasCorrection correction) {
  static const char* const names[] = {"auto", "none", "fast", "full"};
  return names[static_cast<size_t>(correction)];
}

double QuantizeReport::int8_share() const {
  double all = 0, int8 = 0;
  for (const NodeReport& node : nodes) {
    all += node.macs;
    if (node.quantized) int8 += node.macs;
  }
  return all > 0 ? int8 / all : 0;
}

Graph quantize(const Graph& model, const CalibrationSource& calibration, const MakeRunner& make_runner,
               const QuantizeOptions& options, QuantizeReport* report, Progress& progress) {
  auto start = std::chrono::steady_clock::now();
  Quantizer quantizer(model, calibration, make_runner, options, progress);
  QuantizeReport filled;
  Graph graph = quantizer.build(options, {}, &filled, progress);
  filled.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (report) *report = std::move(filled);
  return graph;
}

}  // namespace hone
