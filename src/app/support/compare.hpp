#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/support/value_error.hpp"
#include "devices/devices.hpp"
#include "graph/graph.hpp"

namespace hone::app {

struct CompareOptions {
  DeviceOptions device_a, device_b;
  /// Values part where an error is above atol + rtol * (largest value of the tensor) ...
  double rtol = 1e-3, atol = 1e-5;
  /// ... or, with this, where the signal is less than so many dB above the error.
  std::optional<double> min_sqnr;
};

/// One value that both sides have.
struct ComparedValue {
  std::string name_a, name_b;
  std::string node, kernel, type;  ///< of side a
  ValueError error;                ///< of a, b being right
  bool parts = false;
  /// Quantization aligned its channels: compared up to the factor for each channel that fits best.
  bool scaled_channels = false;
  /// Error of this node alone, when it is given b's values; only for values that part, with one model on both sides.
  std::optional<ValueError> own;
};

struct Comparison {
  std::vector<ComparedValue> nodes;    ///< in the order of a's plan
  std::vector<ComparedValue> outputs;  ///< of the plans as they are, without watching
  size_t watched_a = 0, watched_b = 0;
  /// With one model on both sides: the first value that parts when nothing behind it is computed or watched; only where
  /// outputs part and no watched value does.
  std::string first_by_cutting;
  bool optimization_parts = false;  ///< the passes alone change the outputs (when b evaluates the model by reference)
  int first() const;                ///< index of the first node that parts, or -1
  bool outputs_part() const;
};

/// Runs two models, or one on two devices, on the same inputs and measures how far their inner values are apart.
///
/// What can be watched is the result of each step of the compiled plan: fused kernels stay fused, and an error in one
/// shows at its step. A node that only passes on an error is told from one that makes it by running it alone on b's
/// values. If the outputs part while nothing watched does, watching itself changed the kernels; then the graph is cut
/// off behind one value after another, by bisection. Values match by name, others by op and sizes in order.
class Comparer {
 public:
  /// `b` nullptr: `a` on both devices.
  Comparer(const Graph& a, const Graph* b, const CompareOptions& options);
  ~Comparer();
  /// Runs both sides on one set of inputs (in the order of the graphs' inputs).
  void add(std::span<const Tensor> inputs);
  /// What was found over all inputs.
  Comparison finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone::app
