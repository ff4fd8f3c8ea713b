#pragma once
#include <cstdint>
#include <vector>

#include "quantize/methods/adaround.hpp"

namespace hone {

/// Rounds the weights of each output channel one after the other, each so that it takes back what the errors of those
/// before it do to the result: least (w - w~)^T S (w - w~), S the covariance of the input vectors, approximately, by
/// the triangular factor of S (Frantar et al. 2023, "GPTQ", there for 3 and 4 bits; Babai's nearest plane). The order
/// is that of the inputs' power, largest first. Single weights are changed by one step afterwards while that helps.
///
/// A quarter of the samples is not in S: rows that gain nothing there keep nearest numbers. S is drawn to its diagonal
/// where samples are few, and has the noise of an input in steps of `input_step` on it. `centered`: the mean of the
/// error is taken back by a bias; otherwise S has second moments about 0. `problem.bias` and `relu` are not used.
/// Returns [rows, length]. Deterministic, whatever the number of threads.
std::vector<int8_t> round_with_feedback(const RoundingProblem& problem, double input_step, bool centered);

}  // namespace hone
