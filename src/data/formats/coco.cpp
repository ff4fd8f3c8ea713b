// COCO JSON: images, annotations with boxes, polygons or run lengths, categories.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.hpp"
#include "data/formats/json_file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
using Json = nlohmann::json;

/// Other kinds of annotation that come in the same folder.
bool is_other_kind(const FolderFile& file) {
  for (const char* prefix : {"captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_"})
    if (file.name.starts_with(prefix)) return true;
  return false;
}

std::vector<const FolderFile*> annotation_files(const Folder& folder) {
  std::vector<const FolderFile*> found;
  for (const FolderFile* file : folder.with_extension(".json")) {
    if (found.size() >= 100) break;
    std::set<std::string> wanted{"images", "annotations"};
    std::set<std::string> keys = outer_keys(folder.full(file->path), wanted);
    if (std::includes(keys.begin(), keys.end(), wanted.begin(), wanted.end())) found.push_back(file);
  }
  bool usual = std::any_of(found.begin(), found.end(), [](const FolderFile* file) { return !is_other_kind(*file); });
  if (usual) std::erase_if(found, [](const FolderFile* file) { return is_other_kind(*file); });
  return found;
}

std::vector<Candidate> detect(const Folder& folder) {
  auto found = annotation_files(folder);
  if (found.empty()) return {};
  bool parts =
      std::all_of(found.begin(), found.end(), [](const FolderFile* file) { return part_of(file->path) != Part::none; });
  std::vector<Candidate> candidates;
  for (const FolderFile* file : found) {
    std::string where = parts && found.size() > 1 ? "" : file->path;
    std::string why = fmt::format("{} has images, annotations and categories", file->path);
    if (where.empty()) why += fmt::format(" ({} such files)", found.size());
    candidates.push_back({0.95, {Task::detection, Task::instance_segmentation}, where, why});
    if (parts) break;
  }
  return candidates;
}

/// A field of an object that must have a type; Error names the place, the field and what is there.
const Json& field(const Json& object, const char* name, const std::string& place) {
  auto found = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || found == object.end()) throw Error(place, fmt::format("has no field '{}'", name));
  return *found;
}

double number(const Json& value, const std::string& place, const char* name) {
  if (!value.is_number())
    throw Error(place, fmt::format("{} is {}, expected a number", name, value.dump().substr(0, 40)));
  return value.get<double>();
}

int64_t identifier(const Json& object, const char* name, const std::string& place) {
  const Json& value = field(object, name, place);
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) return static_cast<int64_t>(std::clamp(value.get<double>(), -9e15, 9e15));
  if (value.is_string() && !value.get_ref<const std::string&>().empty())
    return static_cast<int64_t>(std::hash<std::string>{}(value.get_ref<const std::string&>()) >> 1);
  throw Error(place, fmt::format("{} is {}, expected a number", name, value.dump().substr(0, 40)));
}

std::vector<double> numbers(const Json& list, const std::string& place, const char* name) {
  if (!list.is_array()) throw Error(place, fmt::format("{} is no list", name));
  std::vector<double> values;
  for (const Json& value : list) values.push_back(number(value, place, name));
  return values;
}

Rle read_rle(const Json& object, const std::string& place) {
  std::vector<double> size = numbers(field(object, "size", place), place, "segmentation size");
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] * size[1] > static_cast<double>(max_image_pixels))
    throw Error(place, "segmentation size is not [height, width]");
  Rle rle{static_cast<int>(size[0]), static_cast<int>(size[1]), {}};
  const Json& counts = field(object, "counts", place);
  try {
    if (counts.is_string()) return parse_rle(counts.get_ref<const std::string&>(), rle.height, rle.width);
    for (double count : numbers(counts, place, "counts"))
      rle.counts.push_back(static_cast<uint32_t>(std::clamp(count, 0.0, 4e9)));
    require_valid(rle);
  } catch (const Error& error) {
    throw Error(place, "segmentation: " + error.problem());
  }
  return rle;
}

void read_segmentation(const Json& value, const std::string& place, Annotation& object) {
  if (value.is_object()) {
    object.mask = read_rle(value, place);
  } else if (value.is_array()) {
    for (const Json& list : value) {
      Polygon polygon = numbers(list, place, "segmentation");
      if (polygon.size() < 6 || polygon.size() % 2)
        throw Error(place, fmt::format("a polygon has {} numbers", polygon.size()),
                    "expected at least 3 points of x, y");
      object.polygons.push_back(std::move(polygon));
    }
  }
}

Annotation read_annotation(const Json& json, const std::string& place) {
  Annotation object;
  if (auto found = json.find("segmentation"); found != json.end()) read_segmentation(*found, place, object);
  if (auto found = json.find("bbox"); found != json.end() && !found->empty()) {
    std::vector<double> box = numbers(*found, place, "bbox");
    if (box.size() != 4)
      throw Error(place, fmt::format("bbox has {} numbers, expected x, y, width, height", box.size()));
    object.box = {box[0], box[1], box[2], box[3]};
  } else if (object.has_mask()) {
    object.box = object.polygons.empty() ? bounding_box(object.mask) : bounding_box(object.polygons);
  } else {
    throw Error(place, "has neither bbox nor segmentation");
  }
  if (auto found = json.find("area"); found != json.end() && found->is_number()) object.area = found->get<double>();
  auto crowd = json.find("iscrowd");
  object.crowd = crowd != json.end() &&
                 ((crowd->is_number() && crowd->get<double>() != 0) || (crowd->is_boolean() && crowd->get<bool>()));
  return object;
}

/// One annotation file into the data set that several may share.
class FileReader {
 public:
  FileReader(const Folder& folder, Dataset& dataset, const FolderFile& file)
      : folder_(folder), dataset_(dataset), file_(file), json_(read_json(folder.full(file.path))) {}

  void read() {
    read_categories();
    read_images();
    read_annotations();
  }

 private:
  std::string place(const char* list, size_t index) const {
    return fmt::format("{} {}[{}]", quoted(folder_.full(file_.path)), list, index);
  }

  const Json& list(const char* name) const {
    const Json& value = field(json_, name, quoted(folder_.full(file_.path)));
    if (!value.is_array()) throw Error(quoted(folder_.full(file_.path)), fmt::format("'{}' is no list", name));
    return value;
  }

  void read_categories() {
    if (!json_.contains("categories"))
      throw Error(quoted(folder_.full(file_.path)), "has no field 'categories'", "expected a list of id and name");
    std::map<int64_t, std::string> names;
    const Json& categories = list("categories");
    for (size_t i = 0; i < categories.size(); ++i) {
      const Json& name = field(categories[i], "name", place("categories", i));
      names[identifier(categories[i], "id", place("categories", i))] =
          name.is_string() ? name.get<std::string>() : name.dump();
    }
    for (const auto& [id, name] : names) classes_[id] = class_index(dataset_.classes, name);
  }

  void read_images() {
    const Json& images = list("images");
    std::vector<std::pair<int64_t, size_t>> order;  // as pycocotools takes them, so that ties are broken alike
    for (size_t i = 0; i < images.size(); ++i) order.emplace_back(identifier(images[i], "id", place("images", i)), i);
    std::sort(order.begin(), order.end());
    for (auto [id, i] : order) {
      const Json& name = field(images[i], "file_name", place("images", i));
      if (!name.is_string()) throw Error(place("images", i), "file_name is no text");
      std::string hint = file_.stem.substr(file_.stem.rfind('_') == std::string::npos ? 0 : file_.stem.rfind('_') + 1);
      const FolderFile* image = folder_.locate_image(name.get<std::string>(), file_.directory, hint);
      if (!image) {
        absent_[id] = true;
        dataset_.problems.add("annotations of images that are not there were left out",
                              fmt::format("{}: no file '{}'", place("images", i), name.get<std::string>()),
                              "put the images beside the annotation file or in a folder images/");
        continue;
      }
      if (!samples_.try_emplace(id, dataset_.samples.size()).second) {
        dataset_.problems.add("images with the id of another were left out", place("images", i));
        continue;
      }
      Sample sample;
      sample.path = folder_.full(image->path);
      sample.part = part_of(file_.path);
      dataset_.samples.push_back(std::move(sample));
    }
  }

  void read_annotations() {
    const Json& annotations = list("annotations");
    for (size_t i = 0; i < annotations.size(); ++i) {
      std::string here = place("annotations", i);
      try {
        int64_t image = identifier(annotations[i], "image_id", here),
                category = identifier(annotations[i], "category_id", here);
        if (absent_.count(image)) continue;
        auto sample = samples_.find(image);
        auto label = classes_.find(category);
        if (sample == samples_.end()) throw Error(here, fmt::format("image_id {} is not in images", image));
        if (label == classes_.end()) throw Error(here, fmt::format("category_id {} is not in categories", category));
        Annotation object = read_annotation(annotations[i], here);
        object.label = label->second;
        dataset_.samples[sample->second].objects.push_back(std::move(object));
      } catch (const Error& error) {
        dataset_.problems.add("annotations that make no sense were left out", error.place() + ": " + error.problem(),
                              error.remedy());
      }
    }
  }

  const Folder& folder_;
  Dataset& dataset_;
  const FolderFile& file_;
  Json json_;
  std::map<int64_t, int> classes_;
  std::unordered_map<int64_t, size_t> samples_;
  std::unordered_map<int64_t, bool> absent_;
};

Dataset read(const Folder& folder, const ReadRequest& request) {
  Dataset dataset;
  for (const FolderFile* file : annotation_files(folder))
    if (request.candidate.where.empty() || file->path == request.candidate.where)
      FileReader(folder, dataset, *file).read();
  return dataset;
}
}  // namespace

const Reader coco_reader = {"coco", "COCO JSON with boxes, polygons and run lengths", detect, read};

}  // namespace hone
