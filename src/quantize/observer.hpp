#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quantize/histogram.hpp"
#include "quantize/quantize.hpp"
#include "quantize/samples.hpp"

namespace hone {

/// What to learn about a value while the model runs on calibration data.
struct Observed {
  bool range = false;         ///< fill in Observation::histogram
  int mean_axis = -1;         ///< >= 0: the mean of each channel along this axis
  int magnitude_axis = -1;    ///< >= 0: the largest magnitude of each channel along this axis
  int square_axis = -1;       ///< >= 0: the squares of each channel along this axis
};

/// Sums over the elements of each channel.
struct ChannelSums {
  std::vector<double> sums;
  double count = 0;  ///< elements in each of sums
  std::vector<double> means() const;
};

struct Observation {
  Histogram histogram;
  ChannelSums channels, squares;
  std::vector<float> magnitudes;  ///< largest magnitude of each channel
  double low_sum = 0, high_sum = 0, batches = 0;  ///< sums of the extremes of each sample
  Dims dims;                      ///< sizes of the last sample

  /// The mean, over samples, of the extremes.
  std::optional<Range> mean_range() const;
};

/// What to learn about values, by their names, in the order in which the graph computes them.
using ObservationPlan = std::vector<std::pair<std::string, Observed>>;
/// By the names of values.
using Observations = std::map<std::string, Observation>;

/// Brings `wanted` into the order in which the graph computes its values, so that the first one with NaN is named.
ObservationPlan in_graph_order(const Graph& graph, const std::map<std::string, Observed>& wanted);

/// Runs `graph` on all samples and observes values. Throws Error when there is no data and naming the first node that
/// yields NaN or infinity; Interrupted on Ctrl-C. `samples_seen` is how many there were.
Observations observe(const Graph& graph, const ObservationPlan& plan, const MakeRunner& make_runner,
                     SampleStream& samples, Progress& progress, int* samples_seen = nullptr);

/// Runs a graph and reads any of its values.
class Probe {
 public:
  /// Only what these values need is computed.
  Probe(const Graph& graph, const std::vector<std::string>& values, const MakeRunner& make_runner);
  /// The values, in their order.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);

 private:
  struct Place {  // where a value is found
    bool is_input = false;
    size_t index = 0;
  };
  std::vector<Place> places_;
  size_t output_count_ = 0;
  RunModel run_;
};

/// What rounding to `quants` adds to the mean of each channel of values; `axes` has their channel axes.
std::map<std::string, ChannelSums> measure_rounding(const Graph& graph, const std::map<std::string, int>& axes,
                                                    const std::map<std::string, TensorQuant>& quants,
                                                    const MakeRunner& make_runner, const SampleStream& samples,
                                                    Progress& progress);

}  // namespace hone
