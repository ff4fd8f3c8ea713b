#pragma once
#include "train/trainer.hpp"

namespace hone {

/// Throws Error naming the option that is out of range.
void validate(const TrainOptions& options);
/// One "name=value" a line for all options that the result depends on.
std::string describe(const TrainOptions& options);
/// Of class names and sample names; not of the folder the data lies in.
std::string fingerprint(const Splits& data);
/// Of ops, names and sizes; not of weights.
std::string fingerprint(const Graph& graph);
/// "learning_rate was 0.1, is 0.2": the first line that differs, or empty.
std::string first_difference(const std::string& before, const std::string& now);

}  // namespace hone
