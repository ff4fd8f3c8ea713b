#include "app/support/labelled_data.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/evaluation/evaluate_detection.hpp"
#include "base/error.hpp"
#include "data/metrics/hierarchy.hpp"
#include "data/names.hpp"
#include "data/read.hpp"
#include "data/split.hpp"

namespace hone::app {

namespace fs = std::filesystem;

void DataFlags::add(CLI::App& app) {
  app.add_option("--format", format, "format of the data set; default: found from what lies in the folder");
  app.add_option("--part", part, "train, val, test or all; default: val, else test, else all")
      ->check(CLI::IsMember({"", "train", "val", "test", "all"}));
  app.add_option("--list", list, "file that names the images to use, such as the validation.txt of hone train");
}

void choose_samples(Dataset& dataset, const fs::path& data, const DataFlags& flags) {
  if (flags.list.empty()) return keep_part(dataset, flags.part);
  for (Sample& sample : dataset.samples) sample.part = Part::none;
  apply_list(flags.list, dataset, Part::validation, list_base(data));
  std::erase_if(dataset.samples, [](const Sample& sample) { return sample.part != Part::validation; });
  if (dataset.samples.empty())
    throw Error(quoted(fs::path(flags.list)), "names no image", "expected one name a line, as hone train writes them");
}

fs::path list_base(const fs::path& data) {
  std::error_code ignored;
  if (fs::is_directory(data, ignored)) return data;
  return data.has_parent_path() ? data.parent_path() : fs::path(".");
}

bool is_class_folder(const fs::path& data, const std::string& user) {
  std::vector<FoundAnnotation> found = find_annotations(data);
  if (found.empty()) return true;
  const FoundAnnotation& best = found[0];
  if (!best.serves(Task::classification))
    throw Error(
        quoted(data),
        fmt::format("is a data set for {} ({}: {}), but {}", name_of(best.tasks[0]), best.format, best.why, user),
        "give images with one label each (docs/data.md has the formats), or say which annotation to read with "
        "--format");
  return best.format == "folders";
}

Dataset read_classification(const fs::path& data, const std::string& format, Progress& progress) {
  DatasetOptions read;
  read.format = format;
  read.task = Task::classification;
  read.progress = &progress;
  Dataset dataset = read_dataset(data, read);
  for (const Sample& sample : dataset.samples)
    if (sample.label < 0) dataset.problems.add("images without a label were left out", quoted(sample.path));
  std::erase_if(dataset.samples, [](const Sample& sample) { return sample.label < 0; });
  print_problems(dataset);
  if (dataset.samples.empty()) throw Error(quoted(data), "has no labelled images");
  return dataset;
}

void label_by_folders(Dataset& dataset, const fs::path& root) {
  std::vector<std::string> names;
  for (const Sample& sample : dataset.samples) {
    fs::path inner = sample.path.lexically_normal().lexically_relative(root.lexically_normal()).parent_path();
    if (sample.part != Part::none) inner = inner.lexically_relative(*inner.begin());
    names.push_back(inner.generic_string());
  }
  std::set<std::string> classes(names.begin(), names.end());
  dataset.classes.assign(classes.begin(), classes.end());
  for (size_t i = 0; i < names.size(); ++i)
    dataset.samples[i].label = static_cast<int>(std::distance(classes.begin(), classes.find(names[i])));
  for (const std::string& name : classes)
    for (const std::string& other : classes)
      if (other.starts_with(name + "/"))
        throw Error(quoted(root / name), "has images beside the folder of the class '" + other + "'",
                    "in a hierarchy only the lowest folders have images");
}

Dataset read_labelled_images(const fs::path& data, const std::vector<std::string>& classes, const DataFlags& flags,
                             Progress& progress) {
  std::error_code ignored;
  if (!fs::exists(data, ignored))
    throw Error(quoted(data), "no such file or folder",
                "expected a folder of class folders, a CSV file, or another data set");
  if (!flags.given()) {
    if (!fs::is_directory(data, ignored)) {
      if (to_lower(data.extension().string()) != ".json" && has_label_columns(data))
        return read_csv_labels(data, classes);
    } else if (is_class_folder(data, "the model is a classifier")) {
      if (levels_of_classes(classes).empty()) return read_evaluation_folder(data, classes);
      Dataset tree = read_classification(data, "folders", progress);
      label_by_folders(tree, data);
      choose_samples(tree, data, flags);
      map_classes(tree, classes);
      return tree;
    }
  }
  Dataset dataset = read_classification(data, flags.format, progress);
  choose_samples(dataset, data, flags);
  if (!classes.empty()) map_classes(dataset, classes);
  return dataset;
}

void print_problems(const Dataset& dataset) {
  for (const Problem& problem : dataset.problems.list()) fmt::print(stderr, "{} {}\n", problem.count, problem.what);
}

}  // namespace hone::app
