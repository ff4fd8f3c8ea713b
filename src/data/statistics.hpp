#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace hone {

/// Values at 0, 10, 50, 90 and 100%.
struct Spread {
  double least = 0, low = 0, middle = 0, high = 0, most = 0;
  static Spread of(std::vector<double> values);
};

struct ClassStatistics {
  std::string name;
  int64_t count = 0;   ///< samples, objects, or pixels (segmentation)
  int64_t images = 0;  ///< samples where it occurs
};

/// Two samples that show the same picture.
struct Duplicate {
  std::string first, second;
  Part first_part = Part::none, second_part = Part::none;
};

struct DatasetStatistics {
  int64_t images = 0;
  int64_t train = 0, validation = 0, test = 0;  ///< parts of the data set's own
  int64_t objects = 0;
  int64_t empty = 0;  ///< samples without any label, object or (segmentation) counted pixel
  std::vector<ClassStatistics> classes;
  Spread width, height;              ///< of images, in pixels
  Spread objects_per_image;
  Spread box_side;                   ///< square root of the area, relative to the image's
  Spread box_aspect;                 ///< width over height
  int64_t small = 0, medium = 0, large = 0;  ///< boxes up to 32x32 pixels, up to 96x96, above
  std::vector<Skipped> corrupt;      ///< images or masks that cannot be decoded
  std::vector<Duplicate> duplicates; ///< the first 200
  int64_t duplicate_count = 0, duplicates_across_parts = 0;
  std::vector<std::string> suggestions;  ///< plain sentences
};

struct StatisticsOptions {
  int threads = 0;
  Progress* progress = nullptr;
};

/// Decodes every image (and mask) once. Duplicates are found by a 64-bit difference hash of the picture and confirmed
/// on a 16x16 thumbnail.
DatasetStatistics examine(const Dataset& dataset, const StatisticsOptions& options = {});

}  // namespace hone
