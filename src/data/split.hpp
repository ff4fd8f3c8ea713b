#pragma once
#include <filesystem>
#include <string>

#include "data/dataset.hpp"

namespace hone {

struct SplitOptions {
  double validation_fraction = 0.2;  ///< when the data set has no validation part of its own
  uint64_t seed = 0;
};

/// Training, validation and test samples without copying a file. The data set's own parts are used when it has a train
/// and a validation part (or, lacking that, a test part, which then is validation); otherwise samples are held back by
/// iterative stratification (Sechidis et al. 2011): every class, for objects and several labels its presence in an
/// image, has the same share in both, rare ones first. Throws Error when a side would be empty or, for classification,
/// a class would have no training image.
Splits make_splits(Dataset dataset, const SplitOptions& options = {});

/// One path a line (relative to `base` when it is below it), for a run to record what it used.
void write_list(const std::filesystem::path& file, const Dataset& dataset, const std::filesystem::path& base = {});
/// Sets Sample::part of the samples that a list names; throws Error for lines that name no sample.
void apply_list(const std::filesystem::path& file, Dataset& dataset, Part part, const std::filesystem::path& base = {});

}  // namespace hone
