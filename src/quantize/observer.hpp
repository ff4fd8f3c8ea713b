#pragma once
#include <map>
#include <vector>

#include "quantize/histogram.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// What to learn about a value while the model runs on calibration data.
struct Observed {
  bool range = false;  ///< fill in Observation::histogram
  int mean_axis = -1;  ///< >= 0: the mean of each channel along this axis
};

/// Sums over the elements of each channel.
struct ChannelSums {
  std::vector<double> sums;
  double count = 0;  ///< elements in each of sums
  std::vector<double> means() const;
};

struct Observation {
  Histogram histogram;
  ChannelSums channels;
  ChannelSums rounding;  ///< of quantized minus exact value
  Dims dims;             ///< sizes of the last sample
};

/// Values of a graph in the order in which it computes them, with what to learn about each.
using ObservationPlan = std::vector<std::pair<const Value*, Observed>>;

/// Runs a model on calibration data and observes values.
class Observer {
 public:
  Observer(const Graph& graph, ObservationPlan plan, const MakeRunner& make_runner);

  /// Takes up to `subset_size` samples; returns how many there were. Throws Error when there is no data, when a tensor
  /// does not fit its input, and naming the first node that yields NaN or infinity; Interrupted on Ctrl-C.
  int collect(const CalibrationSource& source, int subset_size, Progress& progress);
  /// Runs the first samples again and learns what quantizing adds to the mean of each channel of the values that have a
  /// mean_axis. `quants` has their quantization.
  void measure_rounding(const std::map<const Value*, TensorQuant>& quants, Progress& progress);

  const Observation& operator[](const Value* value) const { return seen_.at(value); }

 private:
  struct Probe {  // where an observed value is found
    bool is_input = false;
    size_t index = 0;
  };
  void add_probes(Graph& probed);
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);
  void keep(const std::vector<Tensor>& inputs);

  const Graph& graph_;
  ObservationPlan plan_;
  std::vector<Probe> probes_;
  size_t output_count_ = 0;
  RunModel run_;
  std::map<const Value*, Observation> seen_;
  std::vector<std::vector<Tensor>> kept_;  // the first samples
  size_t kept_bytes_ = 0;
};

}  // namespace hone
