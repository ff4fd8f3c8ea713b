#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

/// The contract between compile and run: a Plan is a graph compiled for concrete input sizes, a PlanSource makes
/// plans for a model on demand.
namespace hone {

/// An input or output of a model as its user sees it.
struct Port {
  std::string name;
  DType dtype = DType::undefined;
  Shape shape;
};

/// What one step of a plan is and what it costs.
struct StepInfo {
  std::string node;    ///< name of the node (the last one when several were fused)
  std::string op;      ///< "Conv+Relu"
  std::string kernel;  ///< "onednn brgconv:avx512_core int8", "reference"
  std::string shape;   ///< of the output, for people
  double flops = 0;    ///< multiply and add counted as two
  double bytes = 0;    ///< read and written, weights included
  std::vector<std::string> notes;  ///< candidates with their cost or the reason of their refusal
};

/// Collects wall time per step over runs. Slots are preallocated: no allocation while running.
struct StepTimes {
  std::vector<int64_t> nanoseconds;  ///< per step, summed
  int64_t runs = 0;
};

/// What one stream needs while it runs a plan: threads, activation arena, scratchpads. One run at a time.
class PlanState {
 public:
  virtual ~PlanState() = default;
};

/// A compiled graph. Immutable: weights are shared by all its states.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual const std::vector<StepInfo>& steps() const = 0;
  virtual std::unique_ptr<PlanState> make_state() const = 0;
  /// `outputs[i]` that is defined with the right type and sizes is written in place (then a steady-state call does
  /// not allocate); others are made. `times`, when given, is added to.
  virtual void run(PlanState& state, std::span<const Tensor> inputs, std::span<Tensor> outputs,
                   StepTimes* times = nullptr) const = 0;
  virtual size_t arena_bytes() const { return 0; }
  virtual size_t weight_bytes() const { return 0; }
};

/// A model loaded on a device. Thread-safe.
class PlanSource {
 public:
  virtual ~PlanSource() = default;
  virtual const std::vector<Port>& inputs() const = 0;
  virtual const std::vector<Port>& outputs() const = 0;
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  /// The plan for these input sizes, from a bounded cache or made now. Throws Error when sizes do not fit.
  virtual std::shared_ptr<const Plan> plan_for(std::span<const Dims> input_dims) = 0;
};

/// Makes `slot` a tensor of this type and sizes unless it is one already.
void place_output(Tensor& slot, DType dtype, const Dims& dims);

}  // namespace hone
