#pragma once
#include "graph/ops/control/control.hpp"

namespace hone::ops {

/// Runs its body once for each slice of its scan inputs. Inputs: states, scan inputs, captured values. Body: (states,
/// slices, captures) -> (states, slices of the scan outputs). Outputs: the last states, the scan outputs.
struct Scan : ControlOp {
  std::shared_ptr<Graph> body;
  int64_t num_scan_inputs = 0;
  /// One entry a scan input or output: axis (0 by default), and 1 to go backwards.
  std::vector<int64_t> scan_input_axes, scan_input_directions, scan_output_axes, scan_output_directions;

  const char* type() const override { return "Scan"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  std::unique_ptr<Op> clone() const override { return std::make_unique<Scan>(*this); }
  std::vector<std::shared_ptr<Graph>> bodies() const override { return {body}; }
  void set_body(size_t, std::shared_ptr<Graph> graph) override { body = std::move(graph); }
  std::vector<BodyInput> body_inputs(const InferContext& context, size_t index) const override;
  std::optional<int64_t> runs(const InferContext& context) const override;
  void run(EvalContext& context, RunBody run_body) const override;

 private:
  /// Scan inputs are this many, and begin after the states.
  size_t slices() const { return static_cast<size_t>(num_scan_inputs); }
  Dim length(const InferContext& context, size_t states) const;
};

}  // namespace hone::ops
