#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"
#include "data/workers.hpp"

namespace hone {

const std::vector<Reader>& readers() {
  static const std::vector<Reader> list = {image_folder_reader, csv_reader,   coco_reader,     voc_reader,
                                           yolo_reader,         masks_reader, datumaro_reader, cifar_reader,
                                           mnist_reader,        sheets_reader, mvtec_reader};
  return list;
}

Part part_of(const std::string& path) {
  Part part = Part::none;
  for (std::string word : words_of(path)) {
    while (!word.empty() && std::isdigit(static_cast<unsigned char>(word.back()))) word.pop_back();  // train2017
    if (word == "train" || word == "training" || word == "trainset" || word == "calib") part = Part::train;
    if (word == "val" || word == "valid" || word == "validation" || word == "eval" || word == "dev")
      part = Part::validation;
    if (word == "test" || word == "testing" || word == "testset") part = Part::test;
    // SegNet's CamVid: trainannot, valannot, testannot.
    if (word == "trainannot" || word == "trainlabels" || word == "trainmasks") part = Part::train;
    if (word == "valannot" || word == "vallabels" || word == "valmasks") part = Part::validation;
    if (word == "testannot" || word == "testlabels" || word == "testmasks") part = Part::test;
  }
  return part;
}

int class_index(std::vector<std::string>& classes, const std::string& name) {
  auto found = std::find(classes.begin(), classes.end(), name);
  if (found == classes.end()) found = classes.insert(classes.end(), name);
  return static_cast<int>(found - classes.begin());
}

void number_classes(Dataset& dataset, int count) {
  dataset.named = false;
  dataset.classes.clear();
  for (int i = 0; i < count; ++i) dataset.classes.push_back(std::to_string(i));
}

void measure_images(Dataset& dataset, const ReadRequest& request) {
  std::vector<std::optional<std::string>> reasons(dataset.samples.size());
  run_tasks(static_cast<int64_t>(dataset.samples.size()), request.threads, "image sizes", request.progress,
            [&](int64_t i) {
              Sample& sample = dataset.samples[static_cast<size_t>(i)];
              if (sample.pixels.defined()) {
                sample.size = {static_cast<int>(sample.pixels.dim(0)), static_cast<int>(sample.pixels.dim(1))};
                return;
              }
              try {
                sample.size = image_size(sample.path);
              } catch (const Error& error) {
                reasons[static_cast<size_t>(i)] = error.problem();
              }
            });
  std::vector<Sample> kept;
  for (size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i])
      dataset.problems.add("images that cannot be read were left out",
                           quoted(dataset.samples[i].path) + ": " + *reasons[i], "copy them again, or delete them");
    else
      kept.push_back(std::move(dataset.samples[i]));
  }
  dataset.samples = std::move(kept);
}

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t\r\n"), end = text.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (!lines.empty() && lines[0].starts_with("\xEF\xBB\xBF")) lines[0].erase(0, 3);
  return lines;
}

std::vector<std::string> names_file(const Folder& folder, const std::vector<std::string>& candidates) {
  for (const std::string& candidate : candidates) {
    const FolderFile* file = folder.find(candidate);
    if (!file) continue;
    std::vector<std::string> names;
    bool indexed = true;
    std::vector<std::string> lines = lines_of(read_text_file(folder.full(file->path)));
    for (size_t i = 0; i < lines.size(); ++i) {
      std::string prefix = std::to_string(i);
      size_t end = prefix.size();
      indexed = indexed && lines[i].starts_with(prefix) && lines[i].size() > end + 1 &&
                (lines[i][end] == ' ' || lines[i][end] == ':' || lines[i][end] == '\t' || lines[i][end] == ',');
    }
    for (size_t i = 0; i < lines.size(); ++i)
      names.push_back(trimmed(indexed ? lines[i].substr(std::to_string(i).size() + 1) : lines[i]));
    if (!names.empty()) return names;
  }
  return {};
}

}  // namespace hone
