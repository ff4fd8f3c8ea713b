#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "data/annotation.hpp"
#include "data/image_cache.hpp"
#include "data/problems.hpp"

namespace hone {

/// What the annotation of a data set is for.
enum class Task { classification, multi_label, detection, instance_segmentation, segmentation, anomaly };
const char* name_of(Task task);  ///< "classification", "multi-label", "detection", ...
/// Throws Error for an unknown name, naming the known ones.
Task parse_task(const std::string& name);

/// The part of a data set that its author put a sample in.
enum class Part { none, train, validation, test };
const char* name_of(Part part);

/// One image with its annotation; which of the fields are used depends on the task.
struct Sample {
  std::filesystem::path path;  ///< of the image; a name such as "sheet_3.png#17" when `pixels` holds it
  int label = -1;              ///< index into Dataset::classes; -1: not labelled
  std::vector<int> labels;     ///< multi-label: all that hold, ascending
  std::vector<Annotation> objects;
  std::filesystem::path mask;  ///< one class a pixel; see read_mask(). Anomaly: what is not 0 is anomalous
  Tensor pixels;  ///< u8 [H, W, 3] or [H, W] (gray) where the format has no file an image; else not defined
  ImageSize size;              ///< 0x0 when the reader had no need to know
  Part part = Part::none;
};

/// The image of a sample, from its file or its pixels. Throws Error as decode_image does.
Tensor image_of(const Sample& sample);

/// How the pixel values of mask files become class indices.
struct MaskCoding {
  std::array<uint8_t, 256> class_of{};                ///< by pixel value; mask_ignore: not counted
  std::vector<std::array<uint8_t, 3>> colors;         ///< RGB of each class; empty: the values themselves are indices
};
/// The value of pixels that belong to no class, in what read_mask() gives.
inline constexpr uint8_t mask_ignore = 255;

struct Dataset {
  std::vector<std::string> classes;
  std::vector<Sample> samples;
  Task task = Task::classification;
  /// False when the files name no classes and `classes` are numbers in words.
  bool named = true;
  std::string format;  ///< name of the reader, such as "coco"
  std::string found;   ///< one line: why that reader, and what lay where
  MaskCoding masks;
  Problems problems;  ///< what was wrong with single files, boxes and labels, and what was done about it

  /// Samples of each class, in the order of `classes`; for objects, how many of them. Not for segmentation.
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
  Dataset test;                  ///< when the data set has one of its own; may be empty
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

/// True when the first line of a CSV file names the columns that read_csv_labels() needs.
bool has_label_columns(const std::filesystem::path& csv);

/// The images of a folder (recursively, sorted), or the one file given. Throws Error when there is none.
std::vector<std::filesystem::path> list_images(const std::filesystem::path& path);
/// True for a file name that ends like an image: jpg jpeg png bmp webp tif tiff ppm, any case.
bool has_image_extension(const std::filesystem::path& path);

struct CheckOptions {
  int threads = 0;               ///< 0: all processors
  Progress* progress = nullptr;  ///< one step an image
  ImageCache* cache = nullptr;   ///< keeps what was decoded
};

/// Decodes every image file once, removes the unreadable ones from the dataset and returns them. Throws Interrupted on
/// Ctrl-C.
std::vector<Skipped> check_images(Dataset& dataset, const CheckOptions& options = {});

}  // namespace hone
