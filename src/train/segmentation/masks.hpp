#pragma once
#include <cstdint>
#include <vector>

#include "base/progress.hpp"
#include "data/dataset.hpp"

namespace hone {

/// A data set whose masks have all been read once.
struct CheckedMasks {
  Dataset dataset;  ///< without the samples that were left out
  std::vector<Skipped> skipped;
  std::vector<int64_t> pixels;  ///< labelled, of each class
};

/// Leaves out samples whose mask cannot be read, differs in size from the image or has values that are no class.
CheckedMasks check_masks(const Dataset& dataset, const char* label, Progress& progress);

/// (median frequency / frequency) ^ balance of each class, within 0.1 to 10; 1 for classes that never occur.
std::vector<float> class_weights(const std::vector<int64_t>& pixels, double balance);

}  // namespace hone
