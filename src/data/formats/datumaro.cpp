// Datumaro JSON: annotations/<subset>.json with categories and items, images in images/ or images/<subset>/.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "data/formats/json_file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
using Json = nlohmann::json;

std::vector<const FolderFile*> annotation_files(const Folder& folder) {
  std::vector<const FolderFile*> found;
  for (const FolderFile* file : folder.with_extension(".json")) {
    std::set<std::string> wanted{"items", "categories"};
    std::set<std::string> keys = outer_keys(folder.full(file->path), wanted);
    if (std::includes(keys.begin(), keys.end(), wanted.begin(), wanted.end())) found.push_back(file);
    if (found.size() >= 100) break;
  }
  return found;
}

Json child(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object.at(name) : Json();
}

/// The task that the kinds of annotation in a document call for.
std::vector<Task> tasks_of(const Json& document) {
  bool boxes = false, shapes = false, several = false;
  for (const Json& item : child(document, "items")) {
    int labels = 0;
    for (const Json& annotation : child(item, "annotations")) {
      Json type = child(annotation, "type");
      boxes = boxes || type == "bbox";
      shapes = shapes || type == "polygon" || type == "mask";
      labels += type == "label";
    }
    several = several || labels > 1;
  }
  if (boxes && shapes) return {Task::detection, Task::instance_segmentation};
  if (boxes) return {Task::detection};
  if (shapes) return {Task::instance_segmentation, Task::detection};
  if (several) return {Task::multi_label};
  return {Task::classification, Task::multi_label};
}

std::vector<Candidate> detect(const Folder& folder) {
  auto found = annotation_files(folder);
  if (found.empty()) return {};
  try {
    return {{0.96, tasks_of(read_json(folder.full(found[0]->path))), "",
             fmt::format("{} has Datumaro's categories and items", found[0]->path)}};
  } catch (const Error&) {
    return {{0.9,
             {Task::detection, Task::instance_segmentation, Task::classification, Task::multi_label},
             "",
             found[0]->path}};
  }
}

class FileReader {
 public:
  FileReader(const Folder& folder, Dataset& dataset, const FolderFile& file, Task task)
      : folder_(folder), dataset_(dataset), file_(file), task_(task), json_(read_json(folder.full(file.path))) {}

  void read() {
    for (const Json& label : child(child(child(json_, "categories"), "label"), "labels")) {
      Json name = child(label, "name");
      classes_.push_back(class_index(dataset_.classes, name.is_string() ? name.get<std::string>() : name.dump()));
    }
    if (classes_.empty())
      throw Error(quoted(folder_.full(file_.path)), "has no labels in categories.label.labels");
    const Json& items = json_.at("items");
    if (!items.is_array()) throw Error(quoted(folder_.full(file_.path)), "'items' is no list");
    for (size_t i = 0; i < items.size(); ++i)
      read_item(items[i], fmt::format("{} items[{}]", quoted(folder_.full(file_.path)), i));
  }

 private:
  const FolderFile* image_of_item(const Json& item) const {
    Json path = child(child(item, "image"), "path"), id = child(item, "id");
    if (path.is_string() && !path.get<std::string>().empty())
      if (const FolderFile* file = folder_.locate_image(path.get<std::string>(), file_.directory, file_.stem))
        return file;
    if (!id.is_string()) return nullptr;
    for (const char* extension : {".jpg", ".png", ".jpeg", ".bmp", ".JPG"})
      if (const FolderFile* file = folder_.locate_image(id.get<std::string>() + extension, file_.directory, file_.stem))
        return file;
    return nullptr;
  }

  void read_item(const Json& item, const std::string& place) {
    const FolderFile* image = image_of_item(item);
    if (!image) {
      dataset_.problems.add("annotations of images that are not there were left out",
                            fmt::format("{}: id {}", place, child(item, "id").dump()), "put the images into images/");
      return;
    }
    Sample sample;
    sample.path = folder_.full(image->path);
    sample.part = part_of(file_.stem);
    Json annotations = child(item, "annotations");
    for (size_t i = 0; i < annotations.size(); ++i) {
      std::string here = fmt::format("{} annotations[{}]", place, i);
      try {
        read_annotation(annotations.at(i), sample);
      } catch (const Error& error) {
        dataset_.problems.add("annotations that make no sense were left out", here + ": " + error.problem());
      } catch (const Json::exception& error) {
        dataset_.problems.add("annotations that make no sense were left out",
                              here + ": a field is missing or of another type");
      }
    }
    if (task_ == Task::classification && sample.label < 0) {
      dataset_.problems.add("images without a label were left out", place);
      return;
    }
    dataset_.samples.push_back(std::move(sample));
  }

  void read_annotation(const Json& json, Sample& sample) {
    auto label = json.at("label_id").get<int64_t>();
    if (label < 0 || label >= static_cast<int64_t>(classes_.size()))
      throw Error("", fmt::format("label_id {} is not one of {} labels", label, classes_.size()));
    int index = classes_[static_cast<size_t>(label)];
    auto type = json.at("type").get<std::string>();
    if (type == "label") {
      if (task_ == Task::multi_label) sample.labels.push_back(index);
      if (sample.label < 0) sample.label = index;
      return;
    }
    Annotation object;
    object.label = index;
    if (type == "bbox") {
      auto box = json.at("bbox").get<std::vector<double>>();
      if (box.size() != 4) throw Error("", fmt::format("bbox has {} numbers, expected 4", box.size()));
      object.box = {box[0], box[1], box[2], box[3]};
    } else if (type == "polygon") {
      object.polygons = {json.at("points").get<std::vector<double>>()};
      if (object.polygons[0].size() < 6) throw Error("", "a polygon of fewer than three points");
      object.box = bounding_box(object.polygons);
    } else if (type == "mask") {
      auto size = json.at("rle").at("size").get<std::vector<int>>();
      if (size.size() != 2) throw Error("", "the mask has no size");
      const Json& counts = json.at("rle").at("counts");
      object.mask = counts.is_string() ? parse_rle(counts.get<std::string>(), size[0], size[1])
                                       : Rle{size[0], size[1], counts.get<std::vector<uint32_t>>()};
      require_valid(object.mask);
      object.box = bounding_box(object.mask);
    } else {
      return;  // captions, points and lines are for other tasks
    }
    sample.objects.push_back(std::move(object));
  }

  const Folder& folder_;
  Dataset& dataset_;
  const FolderFile& file_;
  Task task_;
  Json json_;
  std::vector<int> classes_;
};

Dataset read(const Folder& folder, const ReadRequest& request) {
  Dataset dataset;
  for (const FolderFile* file : annotation_files(folder)) FileReader(folder, dataset, *file, request.task).read();
  return dataset;
}
}  // namespace

const Reader datumaro_reader = {"datumaro", "Datumaro JSON (annotations/<subset>.json with categories and items)",
                                detect, read};

}  // namespace hone
