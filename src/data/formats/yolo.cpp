// YOLO: a text file an image, "class cx cy w h" or "class x y x y ..." a line, in shares of the image; with data.yaml,
// or a folder labels/ (also labels_det/ and the like) beside images/, or the files beside each other.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/reader.hpp"
#include "data/formats/yolo_config.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
/// The numbers of a line; false when there is anything else.
bool numbers_of(const std::string& line, std::vector<double>& values) {
  values.clear();
  const char* at = line.data();
  const char* end = at + line.size();
  while (true) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
    if (at == end) return true;
    double value = 0;
    auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || !std::isfinite(value)) return false;
    values.push_back(value);
    at = next;
  }
}

enum class Lines { other, boxes, polygons };

/// By most of the lines: single ones that make no sense are a problem of the data, not another format.
Lines kind_of(const std::string& text) {
  std::vector<double> values;
  size_t boxes = 0, polygons = 0, other = 0;
  for (const std::string& line : lines_of(text)) {
    if (trimmed(line).empty()) continue;
    bool numbers = numbers_of(line, values) && values.size() >= 5 && values[0] == std::floor(values[0]);
    if (numbers && values.size() >= 7 && values.size() % 2 == 1) ++polygons;
    else if (numbers && values.size() <= 6) ++boxes;
    else ++other;
  }
  if (boxes + polygons < 3 * other || boxes + polygons == 0) return Lines::other;
  return polygons > 0 ? Lines::polygons : Lines::boxes;
}

/// The top folder of label files: the part of the directory up to the first word "label".
std::string label_root(const FolderFile& file) {
  std::string root;
  std::string rest = file.directory;
  while (!rest.empty()) {
    std::string part = rest.substr(0, rest.find('/'));
    root += (root.empty() ? "" : "/") + part;
    if (to_lower(part).find("label") != std::string::npos) return root;
    rest = part.size() < rest.size() ? rest.substr(part.size() + 1) : "";
  }
  return file.directory;
}

/// images/train/1.txt of labels/train/1.txt: the first part that speaks of labels becomes one of the names of images.
const FolderFile* image_of_label(const Folder& folder, const FolderFile& file) {
  if (const FolderFile* beside = folder.image_by_stem(file.directory, file.stem)) return beside;
  std::string root = label_root(file), inner = file.directory.substr(root.size());
  if (to_lower(root).find("label") == std::string::npos) return nullptr;
  std::string parent = parent_of(root), base = parent.empty() ? "" : parent + "/";
  for (const char* name : {"images", "Images", "imgs", "JPEGImages", "img", "image"})
    if (const FolderFile* image = folder.image_by_stem(base + name + inner, file.stem)) return image;
  std::string without = base.substr(0, base.empty() ? 0 : base.size() - 1) + inner;
  return folder.image_by_stem(without.starts_with("/") ? without.substr(1) : without, file.stem);
}

struct LabelGroup {
  std::vector<std::pair<const FolderFile*, const FolderFile*>> files;  // label, image
  Lines kind = Lines::other;
};

/// Label files by their top folder name; sets such as train/labels and val/labels fall together.
std::map<std::string, LabelGroup> label_groups(const Folder& folder) {
  std::map<std::string, LabelGroup> groups;
  for (const FolderFile& file : folder.files()) {
    if (file.extension != ".txt") continue;
    const FolderFile* image = image_of_label(folder, file);
    if (!image) continue;
    std::string root = label_root(file);
    size_t slash = root.rfind('/');
    std::string top = slash == std::string::npos ? root : root.substr(slash + 1);
    if (to_lower(top).find("label") == std::string::npos) top.clear();  // label files beside their images
    groups[top].files.push_back({&file, image});
  }
  for (auto& [name, group] : groups) {
    size_t looked = 0;
    for (const auto& [label, image] : group.files) {
      Lines kind = kind_of(read_text_file(folder.full(label->path)));
      if (kind == Lines::polygons || (kind == Lines::boxes && group.kind == Lines::other)) group.kind = kind;
      if (++looked >= 200 && group.kind != Lines::other) break;
    }
  }
  std::erase_if(groups, [](const auto& entry) { return entry.second.kind == Lines::other; });
  return groups;
}

const FolderFile* config_file(const Folder& folder) {
  for (const char* extension : {".yaml", ".yml"})
    for (const FolderFile* file : folder.with_extension(extension))
      if (read_text_file(folder.full(file->path)).find("names:") != std::string::npos) return file;
  return nullptr;
}

std::vector<Candidate> detect(const Folder& folder) {
  const FolderFile* config = config_file(folder);
  std::vector<Candidate> candidates;
  for (const auto& [name, group] : label_groups(folder)) {
    Candidate candidate;
    candidate.where = name;
    candidate.certainty = config ? 0.97 : name.empty() ? 0.8 : 0.9;
    candidate.tasks = group.kind == Lines::polygons ? std::vector{Task::instance_segmentation, Task::detection}
                                                    : std::vector{Task::detection};
    candidate.why = fmt::format("{} .txt files {} with {} for each of as many images{}", group.files.size(),
                                name.empty() ? "beside the images" : "in " + name + "/",
                                group.kind == Lines::polygons ? "polygons" : "5 numbers a line",
                                config ? ", and " + config->path : "");
    candidates.push_back(candidate);
  }
  return candidates;
}

void read_line(const std::string& line, const std::string& place, const Sample& sample, Annotation& object) {
  std::vector<double> v;
  if (!numbers_of(line, v)) throw Error(place, fmt::format("'{}' is not a row of numbers", line.substr(0, 60)));
  bool polygon = v.size() >= 7 && v.size() % 2 == 1;
  if (v.size() != 5 && v.size() != 6 && !polygon)
    throw Error(place,
                fmt::format("has {} numbers, expected 5 (class, center x, y, width, height) or a polygon", v.size()));
  if (v[0] < 0 || v[0] > 100000 || v[0] != std::floor(v[0]))
    throw Error(place, fmt::format("class {} is no number from 0", v[0]));
  for (size_t i = 1; i < std::min<size_t>(v.size(), polygon ? v.size() : 5); ++i)
    if (v[i] < -1 || v[i] > 2)
      throw Error(place, fmt::format("{} is outside 0..1", v[i]),
                  "YOLO coordinates are shares of the image size, not pixels");
  double width = sample.size.width, height = sample.size.height;
  object.label = static_cast<int>(v[0]);
  if (polygon) {
    Polygon points;
    for (size_t i = 1; i + 1 < v.size(); i += 2) {
      points.push_back(v[i] * width);
      points.push_back(v[i + 1] * height);
    }
    object.polygons = {points};
    object.box = bounding_box(object.polygons);
  } else {
    object.box = {(v[1] - v[3] / 2) * width, (v[2] - v[4] / 2) * height, v[3] * width, v[4] * height};
  }
}

/// The part of each image directory or list file that the configuration names.
Part part_in_config(const YoloConfig& config, const std::string& path) {
  for (const auto& [name, places] : config.parts)
    for (std::string place : places) {
      while (place.starts_with("./") || place.starts_with("../")) place = place.substr(place.find('/') + 1);
      while (place.ends_with("/")) place.pop_back();
      if (!place.empty() && (path.starts_with(place + "/") || path.find("/" + place + "/") != std::string::npos))
        return part_of(name);
    }
  return part_of(parent_of(path));
}

/// Images in list files (train: train.txt), by their last part.
std::map<std::string, Part> listed_parts(const Folder& folder, const YoloConfig& config) {
  std::map<std::string, Part> parts;
  for (const auto& [name, places] : config.parts)
    for (const std::string& place : places) {
      std::string relative = std::filesystem::path(place).lexically_normal().generic_string();
      const FolderFile* file = folder.find(relative.starts_with("../") ? relative.substr(3) : relative);
      if (!file || file->extension != ".txt") continue;
      for (const std::string& line : lines_of(read_text_file(folder.full(file->path))))
        parts.emplace(std::filesystem::path(trimmed(line)).filename().string(), part_of(name));
    }
  return parts;
}

struct LabelFile {
  std::string path;
  bool exists = false;
};

/// Reads the lines of the label files into the samples, whose sizes are known.
int read_labels(const Folder& folder, const std::map<std::string, LabelFile>& labels, Dataset& dataset) {
  int classes = 0;
  for (Sample& sample : dataset.samples) {
    const LabelFile& label = labels.at(sample.path.string());
    if (!label.exists) continue;
    std::vector<std::string> lines = lines_of(read_text_file(folder.full(label.path)));
    for (size_t i = 0; i < lines.size(); ++i) {
      if (trimmed(lines[i]).empty()) continue;
      std::string place = fmt::format("{} line {}", quoted(folder.full(label.path)), i + 1);
      try {
        Annotation object;
        read_line(lines[i], place, sample, object);
        classes = std::max(classes, object.label + 1);
        sample.objects.push_back(std::move(object));
      } catch (const Error& error) {
        dataset.problems.add("lines that make no sense were left out", error.place() + ": " + error.problem(),
                             error.remedy());
      }
    }
  }
  return classes;
}

Dataset read(const Folder& folder, const ReadRequest& request) {
  Dataset dataset;
  const FolderFile* config_path = config_file(folder);
  YoloConfig config = config_path ? read_yolo_config(folder.full(config_path->path)) : YoloConfig{};
  std::map<std::string, Part> listed = listed_parts(folder, config);
  std::map<std::string, LabelGroup> groups = label_groups(folder);
  std::map<std::string, LabelFile> labels;  // by the path of the image
  std::set<std::string> directories;
  auto add = [&](const FolderFile& image, LabelFile label) {
    std::string path = folder.full(image.path).string();
    if (!labels.emplace(path, std::move(label)).second) return;
    Sample sample;
    sample.path = path;
    auto part = listed.find(image.name);
    sample.part = part != listed.end() ? part->second : part_in_config(config, image.path);
    dataset.samples.push_back(std::move(sample));
  };
  for (const auto& [label, image] : groups[request.candidate.where].files) {
    add(*image, {label->path, true});
    directories.insert(image->directory);
  }
  int64_t without = 0;
  for (const FolderFile& file : folder.files())
    if (file.image && directories.count(file.directory) && !labels.count(folder.full(file.path).string())) {
      add(file, {});
      ++without;
    }
  if (without > 0)
    dataset.problems.add({"images have no label file: they count as images without objects",
                          "add an empty .txt file if that is right",
                          without,
                          {}});
  std::sort(dataset.samples.begin(), dataset.samples.end(),
            [](const Sample& a, const Sample& b) { return a.path < b.path; });
  measure_images(dataset, request);
  int classes = read_labels(folder, labels, dataset);
  dataset.classes = config.names;
  if (dataset.classes.empty())
    dataset.classes = names_file(folder, {"classes.txt", request.candidate.where + "/classes.txt", "labels.txt",
                                          "obj.names", "data/obj.names", "classes.names"});
  if (dataset.classes.empty()) number_classes(dataset, classes);
  return dataset;
}
}  // namespace

const Reader yolo_reader = {"yolo", "YOLO text files, with data.yaml or labels/ beside images/", detect, read};

}  // namespace hone
