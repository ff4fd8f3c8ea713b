#include "data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/names.hpp"
#include "data/random.hpp"

namespace hone {

namespace fs = std::filesystem;

namespace {
constexpr const char* layout_help =
    "expected one sub-folder a class, such as DATA/cat/1.jpg and DATA/dog/1.jpg, or the same below DATA/train and "
    "DATA/val";
constexpr std::array extensions = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"};
constexpr size_t fewest_for_training = 2;

struct Entries {
  std::vector<fs::path> folders;
  std::vector<fs::path> images;
};

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.empty() || name[0] == '.' || name == "__MACOSX";
}

Entries entries_of(const fs::path& folder) {
  Entries entries;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (is_hidden(entry.path())) continue;
      std::error_code ignored;
      if (entry.is_directory(ignored))
        entries.folders.push_back(entry.path());
      else if (has_image_extension(entry.path()))
        entries.images.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(quoted(folder), "cannot read the folder: " + error.code().message(), "check its permissions");
  }
  std::sort(entries.folders.begin(), entries.folders.end());
  std::sort(entries.images.begin(), entries.images.end());
  return entries;
}

/// All images at and below a folder. Links to folders are followed, but each folder is read once, so a circle ends.
void collect_images(const fs::path& folder, std::set<fs::path>& seen, std::vector<fs::path>& images) {
  std::error_code error;
  fs::path real = fs::canonical(folder, error);
  if (error || !seen.insert(real).second) return;
  Entries entries = entries_of(folder);
  std::move(entries.images.begin(), entries.images.end(), std::back_inserter(images));
  for (const fs::path& inner : entries.folders) collect_images(inner, seen, images);
}

std::vector<fs::path> images_below(const fs::path& folder) {
  std::error_code error;
  std::set<fs::path> seen;  // from the start those that hold the folder: a link up would bring in the other classes
  for (fs::path outer = fs::canonical(folder, error).parent_path(); seen.insert(outer).second;)
    outer = outer.parent_path();
  std::vector<fs::path> images;
  collect_images(folder, seen, images);
  std::sort(images.begin(), images.end());
  return images;
}

void require_folder(const fs::path& root) {
  std::error_code error;
  fs::file_status status = fs::status(root, error);
  if (!fs::exists(status)) throw Error(quoted(root), "no such folder", "check the path");
  if (!fs::is_directory(status)) throw Error(quoted(root), "is a file, expected a folder of images", layout_help);
}

std::optional<fs::path> find_folder(const Entries& entries, std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (const fs::path& folder : entries.folders)
      if (to_lower(folder.filename().string()) == name) return folder;
  return std::nullopt;
}

std::optional<fs::path> train_folder(const Entries& entries) { return find_folder(entries, {"train", "training"}); }
std::optional<fs::path> validation_folder(const Entries& entries) {
  return find_folder(entries, {"val", "valid", "validation", "test"});
}

/// The class folders of `root` as a dataset whose classes are the folder names.
Dataset read_classes(const fs::path& root) {
  Entries entries = entries_of(root);
  if (entries.folders.empty()) {
    if (entries.images.empty()) throw Error(quoted(root), "the folder has no images", layout_help);
    throw Error(quoted(root), fmt::format("has {} images but no class folders", entries.images.size()), layout_help);
  }
  Dataset dataset;
  for (const fs::path& folder : entries.folders) {
    for (fs::path& image : images_below(folder))
      {
      dataset.samples.emplace_back();
      dataset.samples.back().path = std::move(image);
      dataset.samples.back().label = static_cast<int>(dataset.classes.size());
    }
    dataset.classes.push_back(folder.filename().string());
  }
  if (dataset.samples.empty())
    throw Error(quoted(root), fmt::format("no images below it, only empty folders ({})", name_list(dataset.classes)),
                layout_help);
  if (!entries.images.empty())
    warn(fmt::format("{}: {} images outside the class folders are not used", quoted(root), entries.images.size()));
  return dataset;
}

std::string skipped_note(const std::vector<Skipped>& skipped) {
  if (skipped.empty()) return "";
  return fmt::format(" ({} unreadable images were skipped, first {}: {})", skipped.size(), quoted(skipped[0].path),
                     skipped[0].reason);
}

void require_classes(const fs::path& root, const Dataset& dataset, size_t fewest, const std::vector<Skipped>& skipped) {
  if (dataset.classes.size() < 2)
    throw Error(quoted(root), fmt::format("only one class ('{}'), expected at least two", dataset.classes.at(0)),
                layout_help);
  std::vector<int64_t> counts = dataset.class_counts();
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] < static_cast<int64_t>(fewest))
      throw Error(quoted(root),
                  fmt::format("class '{}' has {} usable images, expected at least {}{}", dataset.classes[i], counts[i],
                              fewest, skipped_note(skipped)),
                  "add images to that folder or remove it");
}

/// The position of `name` among a model's classes: exact, else any case, else one of the synonyms in "tench, Tinca
/// tinca".
int find_class(const std::string& name, const std::vector<std::string>& classes) {
  for (size_t i = 0; i < classes.size(); ++i)
    if (classes[i] == name) return static_cast<int>(i);
  std::string wanted = to_lower(name);
  int found = -1;
  auto accept = [&](const std::string& candidate, size_t i) {
    if (to_lower(candidate) != wanted) return;
    if (found == -1 || found == static_cast<int>(i))
      found = static_cast<int>(i);
    else
      found = -2;  // two classes match: not decided here
  };
  for (size_t i = 0; i < classes.size(); ++i) accept(classes[i], i);
  if (found != -1) return found;
  for (size_t i = 0; i < classes.size(); ++i)
    for (size_t start = 0; start < classes[i].size();) {
      size_t end = std::min(classes[i].find(", ", start), classes[i].size());
      accept(classes[i].substr(start, end - start), i);
      start = end + 2;
    }
  return found;
}

/// Gives the samples the labels of `classes`; `what` is "validation" or "evaluation", `owner` whose classes those are.
void relabel(Dataset& dataset, const std::vector<std::string>& classes, const fs::path& root,
             const std::string& owner) {
  std::vector<int64_t> counts = dataset.class_counts();
  std::vector<int> mapped(dataset.classes.size(), -1);
  for (size_t i = 0; i < mapped.size(); ++i) {
    if (counts[i] == 0) continue;
    mapped[i] = find_class(dataset.classes[i], classes);
    if (mapped[i] >= 0) continue;
    std::vector<std::string> near = nearest_names(dataset.classes[i], classes);
    throw Error(quoted(root),
                fmt::format("folder '{}' is not a class of {} ({})", dataset.classes[i], owner, name_list(classes)),
                near.empty() ? "rename or remove that folder" : fmt::format("did you mean {}?", name_list(near)));
  }
  for (Sample& sample : dataset.samples) sample.label = mapped[static_cast<size_t>(sample.label)];
  dataset.classes = classes;
}

Splits split_by_class(Dataset all, const ReadOptions& options) {
  Splits splits;
  splits.train.classes = splits.validation.classes = all.classes;
  std::vector<std::vector<size_t>> members(all.classes.size());
  for (size_t i = 0; i < all.samples.size(); ++i) members[static_cast<size_t>(all.samples[i].label)].push_back(i);
  std::vector<bool> held_back(all.samples.size(), false);
  for (size_t c = 0; c < members.size(); ++c) {
    Rng rng = Rng::of(options.seed, 0x73706C6974, c);
    rng.shuffle(std::span<size_t>(members[c]));
    auto wanted =
        static_cast<size_t>(std::lround(options.validation_fraction * static_cast<double>(members[c].size())));
    size_t count = std::clamp<size_t>(wanted, 1, members[c].size() - fewest_for_training);
    for (size_t i = 0; i < count; ++i) held_back[members[c][i]] = true;
  }
  for (size_t i = 0; i < all.samples.size(); ++i)
    (held_back[i] ? splits.validation : splits.train).samples.push_back(std::move(all.samples[i]));
  return splits;
}

Splits read_given_splits(const fs::path& root, const fs::path& train, const fs::path& validation,
                         const ReadOptions& options) {
  CheckOptions check{options.threads, options.progress, options.cache};
  Splits splits;
  splits.train = read_classes(train);
  splits.validation = read_classes(validation);
  relabel(splits.validation, splits.train.classes, validation, fmt::format("{}", quoted(train)));
  if (options.check) {
    // One pass over both, so that there is one progress bar.
    Dataset both;
    both.classes = splits.train.classes;
    both.samples = splits.train.samples;
    both.samples.insert(both.samples.end(), splits.validation.samples.begin(), splits.validation.samples.end());
    splits.skipped = check_images(both, check);
    std::set<fs::path> bad;
    for (const Skipped& skipped : splits.skipped) bad.insert(skipped.path);
    for (Dataset* part : {&splits.train, &splits.validation})
      std::erase_if(part->samples, [&](const Sample& sample) { return bad.count(sample.path) > 0; });
  }
  require_classes(train, splits.train, fewest_for_training, splits.skipped);
  if (splits.validation.samples.empty())
    throw Error(quoted(validation), "no usable images" + skipped_note(splits.skipped), layout_help);
  std::vector<int64_t> counts = splits.validation.class_counts();
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] == 0)
      warn(fmt::format("{}: no images of class '{}'", quoted(validation), splits.validation.classes[i]));
  splits.description =
      fmt::format("folders {} and {} of {}", train.filename().string(), validation.filename().string(), quoted(root));
  return splits;
}
}  // namespace

std::vector<int64_t> Dataset::class_counts() const {
  std::vector<int64_t> counts(classes.size(), 0);
  auto count = [&](int label) {
    if (label >= 0 && label < static_cast<int>(counts.size())) ++counts[static_cast<size_t>(label)];
  };
  for (const Sample& sample : samples) {
    if (task == Task::detection || task == Task::instance_segmentation) {
      for (const Annotation& object : sample.objects) count(object.label);
    } else if (task == Task::multi_label) {
      for (int label : sample.labels) count(label);
    } else {
      count(sample.label);
    }
  }
  return counts;
}

bool has_image_extension(const fs::path& path) {
  std::string extension = to_lower(path.extension().string());
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Splits read_image_folder(const fs::path& root, const ReadOptions& options) {
  require_folder(root);
  if (!(options.validation_fraction > 0 && options.validation_fraction < 1))
    throw Error("validation fraction",
                fmt::format("expected more than 0 and less than 1, got {}", options.validation_fraction));
  Entries entries = entries_of(root);
  std::optional<fs::path> train = train_folder(entries), validation = validation_folder(entries);
  Splits splits;
  if (train && validation) {
    splits = read_given_splits(root, *train, *validation, options);
  } else {
    const fs::path& source = train ? *train : root;
    Dataset all = read_classes(source);
    std::vector<Skipped> skipped;
    if (options.check) skipped = check_images(all, {options.threads, options.progress, options.cache});
    require_classes(source, all, fewest_for_training + 1, skipped);
    splits = split_by_class(std::move(all), options);
    splits.skipped = std::move(skipped);
    splits.description = fmt::format("{:.0f}% of each class of {} held back, seed {}",
                                     options.validation_fraction * 100, quoted(source), options.seed);
  }
  splits.description = fmt::format("{} classes, {} train and {} validation images ({})", splits.train.classes.size(),
                                   splits.train.samples.size(), splits.validation.samples.size(), splits.description);
  return splits;
}

Dataset read_evaluation_folder(const fs::path& root, const std::vector<std::string>& classes) {
  if (classes.empty())
    throw Error(quoted(root), "the model has no class names to match the folders with",
                "say with --labels FILE what the classes of the model are called");
  require_folder(root);
  Entries entries = entries_of(root);
  // A class may be called "test": the name of a split counts only beside a train folder or when it is no class.
  std::optional<fs::path> split = validation_folder(entries);
  if (split && !train_folder(entries) && find_class(split->filename().string(), classes) >= 0) split.reset();
  const fs::path& source = split ? *split : root;
  Dataset dataset = read_classes(source);
  relabel(dataset, classes, source, "the model");
  return dataset;
}

std::vector<fs::path> list_images(const fs::path& path) {
  std::error_code error;
  fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw Error(quoted(path), "no such file or folder", "check the path");
  if (!fs::is_directory(status)) return {path};
  std::vector<fs::path> images = images_below(path);
  if (images.empty())
    throw Error(quoted(path), "the folder has no images",
                "expected files that end in jpg, jpeg, png, bmp, webp, tif, tiff or ppm");
  return images;
}

}  // namespace hone
