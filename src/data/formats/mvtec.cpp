// MVTec AD's layout: train/good, test/good, test/<defect>, and ground_truth/<defect> with masks.
#include <fmt/format.h>

#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
std::vector<Candidate> detect(const Folder& folder) {
  if (folder.in("train/good").empty()) return {};
  bool test = false, masks = false, others = false;
  for (const std::string& directory : folder.directories()) {
    test = test || (directory.starts_with("test/") && directory != "test/good");
    masks = masks || directory.starts_with("ground_truth/");
    others = others || (directory.starts_with("train/") && directory != "train/good");
  }
  if (others || (!test && !masks)) return {};
  return {{masks ? 0.98 : 0.9, {Task::anomaly}, "", "train/ has only good/, test/ has defects"}};
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Dataset dataset;
  dataset.classes = {"good"};
  for (const FolderFile& file : folder.files()) {
    bool train = file.directory == "train/good";
    if (!file.image || !(train || file.directory.starts_with("test/"))) continue;
    Sample sample;
    sample.path = folder.full(file.path);
    sample.part = train ? Part::train : Part::test;
    std::string kind = train ? "good" : file.directory.substr(5);
    sample.label = class_index(dataset.classes, kind);
    if (sample.label > 0) {
      std::string truth = "ground_truth/" + kind;
      const FolderFile* mask = folder.image_by_stem(truth, file.stem);
      if (!mask) mask = folder.image_by_stem(truth, file.stem + "_mask");
      if (mask)
        sample.mask = folder.full(mask->path);
      else
        dataset.problems.add("defects without a mask", quoted(sample.path), "their place cannot be evaluated");
    }
    dataset.samples.push_back(std::move(sample));
  }
  return dataset;
}
}  // namespace

const Reader mvtec_reader = {"mvtec", "anomaly detection: train/good, test/<kind>, ground_truth/<kind> with masks",
                             detect, read};

}  // namespace hone
