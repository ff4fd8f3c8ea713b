#pragma once
#include "graph/graph.hpp"

/// Nodes that no kernel is written for, in terms of those that have one. Sizes are concrete; the result evaluates to
/// the same numbers up to rounding.
namespace hone {

/// All of the steps below, in order.
void expand(Graph& graph);

/// Networks in f16 or bf16 compute in f32: their values are widened at the inputs and narrowed at the outputs of the
/// part that can, not between its nodes.
void widen_halves(Graph& graph);
/// einsum(a, b) => transpose, reduce and reshape to a batch of matrices, MatMul (or Mul), and back.
void expand_einsum(Graph& graph);
/// RMS, mean-variance and Lp normalization and Lp pools => the formulas that they are, over reductions and pools;
/// reductions of axes that are not neighbors => one stretch of neighbors after the other.
void expand_formulas(Graph& graph);
/// Convolutions and pools over [N, C, D, H, W] => those over [D * N, C, H, W], summed (or the largest) over the frames
/// that a window sees; Resize of three axes => of two, then of one.
void expand_three_dimensions(Graph& graph);

}  // namespace hone
