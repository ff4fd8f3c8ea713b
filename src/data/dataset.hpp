#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "data/image_cache.hpp"

namespace hone {

struct Sample {
  std::filesystem::path path;
  int label = -1;  ///< index into Dataset::classes; -1: not labelled
};

struct Dataset {
  std::vector<std::string> classes;
  std::vector<Sample> samples;
  /// Samples of each class, in the order of `classes`.
  std::vector<int64_t> class_counts() const;
};

/// A file that is not used, and why in a few words.
struct Skipped {
  std::filesystem::path path;
  std::string reason;
};

struct Splits {
  Dataset train;
  Dataset validation;            ///< the same classes as train
  std::vector<Skipped> skipped;  ///< unreadable images, sorted by path
  std::string description;       ///< one line: "6 classes, 1896 train and 379 validation images (folders train, val)"
};

struct ReadOptions {
  double validation_fraction = 0.2;  ///< of each class, when the folder has no validation split of its own
  uint64_t seed = 0;                 ///< of that split
  bool check = true;                 ///< decode every image once and skip the unreadable ones
  int threads = 0;                   ///< of the check; 0: all processors
  Progress* progress = nullptr;      ///< of the check
  ImageCache* cache = nullptr;       ///< filled by the check, so that training need not decode again
};

/// Reads an image classification folder: one sub-folder a class, images anywhere below it (jpg jpeg png bmp webp tif
/// tiff ppm, any case), hidden files ignored, sorted by name. With sub-folders train/ and val/ (or valid, validation,
/// test) those are the splits; otherwise each class is split at random by the seed. Throws Error for a missing or empty
/// folder, a wrong layout, fewer than two classes, a class with fewer than two training images or (when split here)
/// three in all, and a validation class that training does not have.
Splits read_image_folder(const std::filesystem::path& root, const ReadOptions& options = {});

/// Reads a folder for evaluation: its class folders (of val/valid/validation/test when it has such a split) are matched
/// by name to a model's classes, which the result carries in that order. Throws Error with the nearest names for a
/// folder that is no class. Does not decode; see check_images.
Dataset read_evaluation_folder(const std::filesystem::path& root, const std::vector<std::string>& classes);

/// Reads a CSV file with a header: column `file` (or filename, path, image; relative to the CSV) and `label0` (or
/// label, class). Labels are indices from 0, or names: of `classes` when given, else collected in sorted order. Throws
/// Error naming the line for a missing column, file or unknown label.
Dataset read_csv_labels(const std::filesystem::path& csv, const std::vector<std::string>& classes = {});

/// The images of a folder (recursively, sorted), or the one file given. Throws Error when there is none.
std::vector<std::filesystem::path> list_images(const std::filesystem::path& path);
/// True for a file name that ends like an image: jpg jpeg png bmp webp tif tiff ppm, any case.
bool has_image_extension(const std::filesystem::path& path);

struct CheckOptions {
  int threads = 0;               ///< 0: all processors
  Progress* progress = nullptr;  ///< one step an image
  ImageCache* cache = nullptr;   ///< keeps what was decoded
};

/// Decodes every image once, removes the unreadable ones from the dataset and returns them. Throws Interrupted on
/// Ctrl-C.
std::vector<Skipped> check_images(Dataset& dataset, const CheckOptions& options = {});

}  // namespace hone
