#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/cpu/kernel.hpp"
#include "graph/ops/fused/fused.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/epilogue.hpp"

/// How our own kernels are called from nodes.
namespace hone::cpu {

/// The element types that elementwise and pooling kernels take.
inline bool byte_or_float(DType type) { return type == DType::f32 || type == DType::u8 || type == DType::i8; }

/// The activation in the terms of the kernels; false when they have none of that name.
bool native_activation(const ops::FusedActivation& activation, kernels::Activation& result);
kernels::Operand operand(DType type, const ops::QuantParams& params);
kernels::Target target(DType type, const ops::QuantParams& params);

/// The epilogue of a Fused node with the per-channel vectors it points to.
///
/// Between 8-bit tensors it computes what ONNX Runtime's QLinearConv does, bit for bit: the bias of whole numbers is
/// added to the accumulator, one factor, (input scale * weight scale) / output scale, leads to steps of the output.
struct NativeEpilogue {
  std::vector<int32_t> start;  ///< a bias in whole numbers; some more are readable
  std::vector<float> scale, bias, out_factor;
  kernels::Epilogue value;
  int residual_input = -1;

  bool make(const Node& node, const ops::Fused& fused, int64_t channels, std::string& refusal);
  /// For one execution.
  kernels::Epilogue bind(const KernelRun& run) const;
  const int32_t* start_data() const { return start.empty() ? nullptr : start.data(); }

 private:
  /// Makes `start` of the bias where it is whole in units of the accumulators, sums of `depth` products.
  void take_whole_bias(int64_t depth);
  /// Scales what comes before rounding to steps of what it is rounded to.
  void scale_to_steps(const ops::Fused& fused);
};

/// Number of pieces that `units` of work are cut into: enough for the threads to even out, none below `least` units.
/// As many for each thread: with three pieces, one of two threads would wait for a third of the time.
inline int64_t pieces_of(int64_t units, int64_t least, int threads) {
  if (threads <= 1) return 1;
  const int64_t pieces = std::clamp<int64_t>(units / std::max<int64_t>(least, 1), 1, 2 * threads);
  return pieces > threads ? pieces / threads * threads : pieces;
}

/// Runs body(begin, end) over [0, units) on the threads of the run.
template <class Body>
void spread(const KernelRun& run, int64_t units, int64_t least, Body body) {
  int64_t pieces = pieces_of(units, least, run.pool.threads());
  run.pool.parallel_for(pieces,
                        [&](int64_t piece, int) { body(units * piece / pieces, units * (piece + 1) / pieces); });
}

}  // namespace hone::cpu
