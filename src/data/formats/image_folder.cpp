// One sub-folder a class, with or without train, val and test folders around them.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
const std::set<std::string> split_names = {"train", "training", "val", "valid", "validation", "test", "testing"};
/// Folders that other layouts have, so that a folder of them is probably not one of classes.
const std::set<std::string> annotation_words = {"labels", "label", "masks",       "mask",  "annotations", "annotation",
                                                "images", "gt",    "groundtruth", "truth", "imagesets",   "jpegimages"};

struct Layout {
  bool split = false;
  std::map<std::string, int64_t> classes;  // images of each
  int64_t outside = 0;
  std::vector<std::string> parts;
};

std::string first_part(const std::string& path) { return path.substr(0, path.find('/')); }

Layout look(const Folder& folder) {
  Layout layout;
  std::set<std::string> tops;
  for (const FolderFile& file : folder.files())
    if (file.image && !file.directory.empty()) tops.insert(first_part(file.directory));
  for (const std::string& top : tops)
    if (split_names.count(to_lower(top))) layout.parts.push_back(top);
  // A class may be called "test": its name counts only beside a train folder.
  layout.split =
      !layout.parts.empty() && std::any_of(layout.parts.begin(), layout.parts.end(),
                                           [](const std::string& name) { return part_of(name) == Part::train; });
  if (!layout.split) layout.parts.clear();
  for (const FolderFile& file : folder.files()) {
    if (!file.image) continue;
    std::string inner = file.directory;
    if (layout.split) {
      std::string top = first_part(inner);
      if (!split_names.count(to_lower(top))) inner.clear();
      inner = inner.size() > top.size() ? inner.substr(top.size() + 1) : "";
    }
    if (inner.empty())
      ++layout.outside;
    else
      ++layout.classes[first_part(inner)];
  }
  return layout;
}

std::vector<Candidate> detect(const Folder& folder) {
  if (!folder.given().empty()) return {};
  Layout layout = look(folder);
  if (layout.classes.size() < 2) return {};
  std::vector<std::string> names;
  int64_t images = 0;
  bool suspicious = false;
  for (const auto& [name, count] : layout.classes) {
    names.push_back(name);
    images += count;
    for (const std::string& word : words_of(name)) suspicious = suspicious || annotation_words.count(word) > 0;
  }
  Candidate candidate;
  candidate.certainty = suspicious ? 0.2 : layout.split ? 0.75 : 0.6;
  if (layout.outside > images) candidate.certainty = 0.2;
  candidate.tasks = {Task::classification};
  candidate.why = fmt::format("{} images in {} folders {}{}", images, names.size(), name_list(names, 6),
                              layout.split ? " below " + name_list(layout.parts) : "");
  return {candidate};
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Layout layout = look(folder);
  Dataset dataset;
  for (const auto& [name, count] : layout.classes) dataset.classes.push_back(name);
  for (const FolderFile& file : folder.files()) {
    if (!file.image) continue;
    std::string inner = file.directory;
    Sample sample;
    sample.path = folder.full(file.path);
    if (layout.split) {
      std::string top = first_part(inner);
      sample.part = split_names.count(to_lower(top)) ? part_of(top) : Part::none;
      inner = sample.part != Part::none && inner.size() > top.size() ? inner.substr(top.size() + 1) : "";
    }
    if (inner.empty()) {
      dataset.problems.add("images outside the class folders are not used", quoted(sample.path), "move or delete them");
      continue;
    }
    sample.label = static_cast<int>(
        std::lower_bound(dataset.classes.begin(), dataset.classes.end(), first_part(inner)) - dataset.classes.begin());
    dataset.samples.push_back(std::move(sample));
  }
  return dataset;
}
}  // namespace

const Reader image_folder_reader = {"folders", "one sub-folder a class, also below train/, val/ and test/", detect,
                                    read};

}  // namespace hone
