#pragma once
#include <map>
#include <vector>

#include "quantize/histogram.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// What to learn about a value while the model runs on calibration data.
struct Observed {
  bool range = false;  ///< fill in Observation::histogram
  int mean_axis = -1;  ///< >= 0: sum up each channel along this axis
};

struct Observation {
  Histogram histogram;
  std::vector<double> channel_sums;
  double per_channel = 0;  ///< elements in each of channel_sums
  Dims dims;               ///< sizes of the last sample

  std::vector<double> channel_means() const;  ///< empty when no sums were asked for
};

/// Values of a graph in the order in which it computes them, with what to learn about each.
using ObservationPlan = std::vector<std::pair<const Value*, Observed>>;

struct Calibration {
  std::map<const Value*, Observation> values;
  int samples = 0;
};

/// Runs the model on calibration data and observes values. Throws Error when there is no data, when a tensor does not
/// fit its input, and naming the first node that yields NaN or infinity; Interrupted on Ctrl-C.
Calibration observe(const Graph& graph, const ObservationPlan& plan, const CalibrationSource& source,
                    const MakeRunner& make_runner, int subset_size, Progress& progress);

}  // namespace hone
