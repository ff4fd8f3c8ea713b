#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "data/dataset.hpp"

namespace CLI {
class App;
}

namespace hone::app {

/// --format, --part and --list: how a data set is read, and which of its images are used.
struct DataFlags {
  std::string format, part, list;

  void add(CLI::App& app);
  bool given() const { return !format.empty() || !part.empty() || !list.empty(); }
};

/// Keeps the images that --list names, else those of --part; else those of the validation part, of the test part, or
/// all.
void choose_samples(Dataset& dataset, const std::filesystem::path& data, const DataFlags& flags);

/// The folder that names in a list of images are relative to: DATA, or the folder of the file DATA.
std::filesystem::path list_base(const std::filesystem::path& data);

/// True when `data` is for read_image_folder(): class folders, or nothing that another reader knows.
/// Throws Error when it has annotation, but none for classification; `user` says who needs that ("hone train trains
/// classifiers").
bool is_class_folder(const std::filesystem::path& data, const std::string& user);

/// Reads a data set of any format as one for classification; images without a label are left out. Says what was wrong
/// with it on stderr.
Dataset read_classification(const std::filesystem::path& data, const std::string& format, Progress& progress);

/// Labels by all folders between the data (or its train, val, test) and the image: "a/b". Throws Error when a folder
/// with images has folders with images in it.
void label_by_folders(Dataset& dataset, const std::filesystem::path& root);

/// Labelled images in the order of a model's classes: a folder of class folders or a CSV file with `file` and `label`,
/// where every problem is an error, or a data set of any other format, whose numbers without names are the numbers of
/// the model's classes. A model without class names takes the labels as they are. For classes "a/b" (hone train
/// --hierarchical) folders in folders are levels.
Dataset read_labelled_images(const std::filesystem::path& data, const std::vector<std::string>& classes,
                             const DataFlags& flags, Progress& progress);

/// Counts of what was wrong, a line each, on stderr.
void print_problems(const Dataset& dataset);

}  // namespace hone::app
