#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace hone {

struct DatasetOptions {
  std::string format;          ///< name of a reader; empty: found from what lies in the folder
  std::optional<Task> task;    ///< none: what the annotation is usually for
  std::string where;           ///< which of several annotations: part of its name, such as "labels_det"
  int threads = 0;             ///< 0: all processors
  Progress* progress = nullptr;
};

/// Reads any data set that a reader knows (see list_formats()). `path` is its folder, or the one file that describes it
/// (a CSV or JSON file, data.yaml). Boxes are clipped to the image; boxes outside it, empty ones and labels that are no
/// class are dropped and counted in Dataset::problems, like images that are missing or whose header is broken.
/// Throws Error when nothing fits or more than one annotation fits about as well (naming the candidates), for an
/// unknown format, for annotation files that are broken as a whole, and when no image is left.
Dataset read_dataset(const std::filesystem::path& path, const DatasetOptions& options = {});

/// What read_dataset() could read in a folder.
struct FoundAnnotation {
  std::string format;
  std::vector<Task> tasks;  ///< the usual one first
  std::string why;          ///< what lies where
  bool embedded = false;    ///< the samples hold their pixels: there is no file an image
  bool serves(Task task) const;
};
/// The annotations of a folder or file, the most certain first, by names and a few first lines; nothing is read. Throws
/// Error when there is no such path.
std::vector<FoundAnnotation> find_annotations(const std::filesystem::path& path);

struct FormatInfo {
  std::string name, summary;
};
std::vector<FormatInfo> list_formats();

/// Gives the labels the order of another list of classes, that of a model: by name, or as they are when the data set
/// has only numbers. Throws Error with near names for a used class that is not in the list.
void map_classes(Dataset& dataset, const std::vector<std::string>& classes);

}  // namespace hone
