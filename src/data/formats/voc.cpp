// Pascal VOC: one XML file an image, ImageSets/Main/{train,val,test}.txt.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <pugixml.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
std::vector<Candidate> detect(const Folder& folder) {
  auto files = folder.with_extension(".xml");
  if (files.empty()) return {};
  size_t annotations = 0, looked = 0;
  for (size_t i = 0; i < files.size() && looked < 3; i += std::max<size_t>(1, files.size() / 3), ++looked) {
    std::string start = read_text_file(folder.full(files[i]->path)).substr(0, 4096);
    annotations += start.find("<annotation") != std::string::npos;
  }
  if (annotations == 0) return {};
  return {{0.95, {Task::detection}, "", fmt::format("{} XML files such as {}", files.size(), files[0]->path)}};
}

/// The part of each image name that the lists in ImageSets give.
std::map<std::string, Part> read_parts(const Folder& folder) {
  std::map<std::string, Part> parts;
  for (const FolderFile& file : folder.files()) {
    if (file.extension != ".txt" || file.directory.find("ImageSets") == std::string::npos) continue;
    if (file.stem != "train" && file.stem != "val" && file.stem != "test") continue;
    for (const std::string& line : lines_of(read_text_file(folder.full(file.path)))) {
      std::string name = trimmed(line.substr(0, line.find(' ')));
      if (!name.empty()) parts.emplace(name, part_of(file.stem));
    }
  }
  return parts;
}

int64_t line_of(const std::string& text, std::ptrdiff_t offset) {
  auto end = text.begin() + std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(text.size()));
  return 1 + std::count(text.begin(), end, '\n');
}

double coordinate(const pugi::xml_node& box, const char* name, const std::string& place) {
  pugi::xml_node node = box.child(name);
  std::string text = trimmed(node.text().get());
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (!node || text.empty() || *end != 0 || !std::isfinite(value))
    throw Error(place, fmt::format("{} is '{}', expected a number", name, text));
  return value;
}

Annotation read_object(const pugi::xml_node& node, const std::string& place) {
  Annotation object;
  pugi::xml_node box = node.child("bndbox");
  if (!box) throw Error(place, "the object has no bndbox");
  // VOC counts pixels from 1 and includes the last one.
  double left = coordinate(box, "xmin", place) - 1, top = coordinate(box, "ymin", place) - 1;
  double right = coordinate(box, "xmax", place), bottom = coordinate(box, "ymax", place);
  // Files that count from 0 have boxes at -1 now; that is no fault of the box.
  if (left == -1) left = 0;
  if (top == -1) top = 0;
  object.box = {left, top, right - left, bottom - top};
  object.difficult = node.child("difficult").text().as_int() != 0;
  return object;
}

void read_file(const Folder& folder, const FolderFile& file, const std::map<std::string, Part>& parts, Dataset& dataset,
               std::vector<std::string>& names) {
  std::string place = quoted(folder.full(file.path));
  std::string text = read_text_file(folder.full(file.path));
  pugi::xml_document document;
  pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  if (!parsed)
    throw Error(fmt::format("{} line {}", place, line_of(text, parsed.offset)),
                fmt::format("is no valid XML: {}", parsed.description()));
  pugi::xml_node root = document.child("annotation");
  if (!root) return;  // some other XML file
  std::string name = trimmed(root.child("filename").text().get());
  std::string images = file.directory.ends_with("Annotations")
                           ? file.directory.substr(0, file.directory.size() - 11) + "JPEGImages"
                           : file.directory;
  const FolderFile* image = folder.image_by_stem(images, file.stem);
  if (!image && !name.empty()) image = folder.locate_image(name, file.directory);
  for (const char* extension : {".jpg", ".png", ".jpeg", ".JPG"})
    if (!image) image = folder.locate_image(file.stem + extension, file.directory);
  if (!image) {
    dataset.problems.add("annotations of images that are not there were left out",
                         fmt::format("{}: no file '{}'", place, name),
                         "expected the images in JPEGImages/ or beside the XML files");
    return;
  }
  Sample sample;
  sample.path = folder.full(image->path);
  auto part = parts.find(file.stem);
  sample.part = part != parts.end() ? part->second : parts.empty() ? part_of(file.path) : Part::none;
  for (pugi::xml_node node : root.children("object")) {
    std::string here = fmt::format("{} line {}", place, line_of(text, node.offset_debug()));
    std::string label = trimmed(node.child("name").text().get());
    try {
      if (label.empty()) throw Error(here, "the object has no name");
      Annotation object = read_object(node, here);
      object.label = class_index(names, label);
      sample.objects.push_back(object);
    } catch (const Error& error) {
      dataset.problems.add("annotations that make no sense were left out", error.place() + ": " + error.problem());
    }
  }
  dataset.samples.push_back(std::move(sample));
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Dataset dataset;
  std::map<std::string, Part> parts = read_parts(folder);
  std::vector<std::string> names;
  for (const FolderFile* file : folder.with_extension(".xml")) {
    try {
      read_file(folder, *file, parts, dataset, names);
    } catch (const Error& error) {
      dataset.problems.add("annotation files that cannot be read were left out", error.place() + ": " + error.problem(),
                           "export them again");
    }
  }
  dataset.classes = names;
  std::sort(dataset.classes.begin(), dataset.classes.end());
  for (Sample& sample : dataset.samples)
    for (Annotation& object : sample.objects) {
      const std::string& name = names[static_cast<size_t>(object.label)];
      object.label = static_cast<int>(std::lower_bound(dataset.classes.begin(), dataset.classes.end(), name) -
                                      dataset.classes.begin());
    }
  return dataset;
}
}  // namespace

const Reader voc_reader = {"voc", "Pascal VOC: one XML file an image, lists in ImageSets/Main", detect, read};

}  // namespace hone
