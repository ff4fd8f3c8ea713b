// Semantic segmentation: an image and a mask file of the same name in two folders, and the layouts of Cityscapes,
// CamVid, ADE20K and Pascal VOC.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/csv_parser.hpp"
#include "data/formats/reader.hpp"
#include "data/mask_file.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
/// What datasets append to the name of an image or of its mask.
const std::vector<std::string> suffixes = {"_gtfine_labeltrainids",
                                           "_gtfine_labelids",
                                           "_gtcoarse_labelids",
                                           "_leftimg8bit",
                                           "_labelids",
                                           "_mask",
                                           "_masks",
                                           "_seg",
                                           "_labels",
                                           "_label",
                                           "_lbl",
                                           "_gt",
                                           "_l",
                                           "_annotation",
                                           "_segmentation"};
/// Cityscapes files that are no class masks.
const std::vector<std::string> unused = {"_color", "_instanceids", "_instancetrainids", "_polygons"};

/// Cityscapes: the training class of each label id, as its authors publish them.
constexpr int cityscapes_train_id[34] = {255, 255, 255, 255, 255, 255, 255, 0,  1,  255, 255, 2,
                                         3,   4,   255, 255, 255, 5,   255, 6,  7,  8,   9,   10,
                                         11,  12,  13,  14,  15,  255, 255, 16, 17, 18};
const std::vector<std::string> cityscapes_names = {
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky",  "person",   "rider",    "car",  "truck", "bus",  "train",         "motorcycle",   "bicycle"};
const std::vector<std::string> voc_names = {
    "background", "aeroplane", "bicycle",     "bird",  "boat",        "bottle", "bus",
    "car",        "cat",       "chair",       "cow",   "diningtable", "dog",    "horse",
    "motorbike",  "person",    "pottedplant", "sheep", "sofa",        "train",  "tvmonitor"};

std::string key_of(const std::string& stem) {
  std::string key = to_lower(stem);
  for (const std::string& suffix : suffixes)
    if (key.size() > suffix.size() && key.ends_with(suffix)) return key.substr(0, key.size() - suffix.size());
  return key;
}

bool is_mask_folder(const std::string& directory) {
  for (const std::string& word : words_of(directory))
    for (const char* hint : {"mask", "label", "annot", "gt", "seg", "truth", "gtfine", "lbl"})
      if (word.find(hint) != std::string::npos && word.find("jpeg") == std::string::npos) return true;
  return false;
}

bool is_unused(const FolderFile& file) {
  std::string stem = to_lower(file.stem);
  return std::any_of(unused.begin(), unused.end(), [&](const std::string& suffix) { return stem.ends_with(suffix); });
}

/// car_mask.png beside car.jpg.
bool is_mask_beside(const Folder& folder, const FolderFile& file) {
  if (file.extension != ".png" && file.extension != ".bmp") return false;
  std::string key = key_of(file.stem);
  if (key.size() == file.stem.size() || to_lower(file.stem).ends_with("_leftimg8bit")) return false;
  const FolderFile* image = folder.image_by_stem(file.directory, file.stem.substr(0, key.size()));
  return image && image != &file;
}

struct Pair {
  const FolderFile* image;
  const FolderFile* mask;
};

/// How alike two directories are: words shared, so that train/ goes with train_labels/ and not with val_labels/.
int kinship(const std::string& a, const std::string& b) {
  int shared = 0;
  std::vector<std::string> words = words_of(a);
  for (const std::string& word : words_of(b)) shared += std::find(words.begin(), words.end(), word) != words.end();
  return shared + (part_of(a) == part_of(b) ? 2 : 0);
}

/// Mask folders that belong together ("train_labels" and "val_labels"): their name without words for parts.
std::string family_of(const std::string& directory) {
  std::string family;
  std::string first = directory.substr(0, directory.find('/'));
  for (const std::string& word : words_of(is_mask_folder(first) ? first : directory)) {
    if (part_of(word) == Part::none)
      family += (family.empty() ? "" : "_") + word;
    else if (word.find("annot") != std::string::npos)
      family += "annot";
  }
  return family;
}

std::map<std::string, std::vector<Pair>> mask_families(const Folder& folder) {
  std::map<std::string, std::vector<const FolderFile*>> images;
  for (const FolderFile& file : folder.files())
    if (file.image && !is_mask_folder(file.directory) && !is_mask_beside(folder, file))
      images[key_of(file.stem)].push_back(&file);
  std::map<std::string, std::map<const FolderFile*, const FolderFile*>> found;
  for (const FolderFile& file : folder.files()) {
    bool beside = is_mask_beside(folder, file);
    if ((file.extension != ".png" && file.extension != ".bmp") || (!is_mask_folder(file.directory) && !beside) ||
        is_unused(file))
      continue;
    auto candidates = images.find(key_of(file.stem));
    if (candidates == images.end()) continue;
    const FolderFile* best =
        *std::max_element(candidates->second.begin(), candidates->second.end(), [&](auto* a, auto* b) {
          return kinship(a->directory, file.directory) < kinship(b->directory, file.directory);
        });
    const FolderFile*& mask = found[beside ? "" : family_of(file.directory)][best];
    if (!mask || to_lower(file.stem).ends_with("labeltrainids")) mask = &file;
  }
  std::map<std::string, std::vector<Pair>> families;
  for (const auto& [family, pairs] : found) {
    for (const auto& [image, mask] : pairs) families[family].push_back({image, mask});
    std::sort(families[family].begin(), families[family].end(),
              [](const Pair& a, const Pair& b) { return a.image->path < b.image->path; });
  }
  return families;
}

std::vector<Candidate> detect(const Folder& folder) {
  if (!folder.given().empty() || !folder.in("train/good").empty()) return {};
  std::vector<Candidate> candidates;
  for (const auto& [family, pairs] : mask_families(folder)) {
    double share =
        static_cast<double>(pairs.size()) / static_cast<double>(std::max<size_t>(1, folder.images() - pairs.size()));
    Candidate candidate;
    candidate.certainty = share > 0.5 ? 0.9 : 0.8;
    candidate.tasks = {Task::segmentation};
    candidate.where = family;
    candidate.why = fmt::format("{} images with a mask such as {}", pairs.size(), pairs[0].mask->path);
    candidates.push_back(candidate);
  }
  return candidates;
}

/// Classes with colors: class_dict.csv (name,r,g,b), labelmap.txt (name:r,g,b:...), label_colors.txt (r g b name).
bool read_colors(const Folder& folder, Dataset& dataset) {
  for (const FolderFile& file : folder.files()) {
    if (file.name != "class_dict.csv" && file.name != "labelmap.txt" && file.name != "label_colors.txt") continue;
    for (const std::string& line : lines_of(read_text_file(folder.full(file.path)))) {
      char name[200] = {};
      int r = 0, g = 0, b = 0;
      bool good = file.name == "class_dict.csv" ? std::sscanf(line.c_str(), "%199[^,],%d,%d,%d", name, &r, &g, &b) == 4
                  : file.name == "labelmap.txt"
                      ? std::sscanf(line.c_str(), "%199[^:]:%d,%d,%d", name, &r, &g, &b) == 4
                      : std::sscanf(line.c_str(), "%d %d %d %199[^\n]", &r, &g, &b, name) == 4;
      if (!good || line[0] == '#' || dataset.classes.size() >= mask_ignore) continue;
      dataset.classes.push_back(trimmed(name));
      dataset.masks.colors.push_back({static_cast<uint8_t>(r), static_cast<uint8_t>(g), static_cast<uint8_t>(b)});
    }
    return !dataset.classes.empty();
  }
  return false;
}

bool means_ignore(const std::string& name) {
  std::string text = to_lower(name);
  for (const char* word : {"ignore", "unlabel", "void", "unknown"})
    if (text.find(word) != std::string::npos) return true;
  return false;
}

/// The highest value below 255 in some of the masks.
int highest_value(const std::vector<Sample>& samples) {
  int highest = 0;
  size_t step = std::max<size_t>(1, samples.size() / 200);
  for (size_t i = 0; i < samples.size(); i += step) {
    try {
      Tensor values = read_mask_values(samples[i].mask);
      if (values.rank() != 2) continue;
      for (uint8_t value : values.data<uint8_t>())
        if (value != mask_ignore) highest = std::max(highest, static_cast<int>(value));
    } catch (const Error&) {
      continue;  // reported when the masks are used
    }
  }
  return highest;
}

void identity(MaskCoding& coding, size_t classes) {
  coding.class_of.fill(mask_ignore);
  for (size_t i = 0; i < classes && i < mask_ignore; ++i) coding.class_of[i] = static_cast<uint8_t>(i);
}

bool use_colors(const Folder& folder, Dataset& dataset) {
  if (dataset.samples.empty()) return false;
  Tensor first = read_mask_values(dataset.samples[0].mask);
  if (first.rank() != 3) return false;
  if (!read_colors(folder, dataset))
    throw Error(quoted(dataset.samples[0].mask), "is a mask in colors, and no file says which color is which class",
                "add class_dict.csv with lines  name,red,green,blue");
  return true;
}

/// objectInfo150.txt: a header, then lines of index, shares and, in the last column, names ("wall", "building,
/// edifice").
std::vector<std::string> ade_names(const Folder& folder) {
  std::vector<std::string> names;
  const FolderFile* file = folder.find("objectInfo150.txt");
  if (!file) return names;
  for (const std::string& line : lines_of(read_text_file(folder.full(file->path)))) {
    size_t tab = line.rfind('\t');
    if (tab == std::string::npos || line.empty() || line[0] < '0' || line[0] > '9') continue;
    names.push_back(trimmed(line.substr(tab + 1, line.find_first_of(",;", tab) - tab - 1)));
  }
  return names;
}

/// Images beside those that have a mask, but without one: half of a copy, or not drawn yet.
void count_images_without_mask(const Folder& folder, const std::vector<Pair>& pairs, Dataset& dataset) {
  std::set<std::string> directories;
  std::set<const FolderFile*> used;
  // Pascal VOC has masks of a seventh of its images, on purpose.
  if (pairs.empty() || pairs[0].mask->directory.find("SegmentationClass") != std::string::npos) return;
  for (const Pair& pair : pairs) directories.insert(pair.image->directory), used.insert({pair.image, pair.mask});
  std::vector<std::string> places;
  int64_t without = 0;
  for (const FolderFile& file : folder.files()) {
    if (!file.image || !directories.count(file.directory) || used.count(&file) || is_mask_folder(file.directory) ||
        is_mask_beside(folder, file) || is_unused(file))
      continue;
    ++without;
    if (places.size() < 10) places.push_back(quoted(folder.full(file.path)));
  }
  if (without > 0)
    dataset.problems.add({"images without a mask were left out", "add a mask of the same name", without, places});
}

void find_coding(const Folder& folder, Dataset& dataset) {
  MaskCoding& coding = dataset.masks;
  std::string first = dataset.samples.empty() ? "" : to_lower(dataset.samples[0].mask.string());
  if (use_colors(folder, dataset)) {
    for (size_t i = 0; i < dataset.classes.size(); ++i)
      coding.class_of[i] = means_ignore(dataset.classes[i]) ? mask_ignore : static_cast<uint8_t>(i);
    return;
  }
  int highest = highest_value(dataset.samples);
  if (first.ends_with("_labelids.png") && first.find("_gt") != std::string::npos) {
    coding.class_of.fill(mask_ignore);
    for (size_t i = 0; i < 34; ++i) coding.class_of[i] = static_cast<uint8_t>(cityscapes_train_id[i]);
    dataset.classes = cityscapes_names;
    return;
  }
  if (first.ends_with("_labeltrainids.png")) dataset.classes = cityscapes_names;
  if (first.find("segmentationclass") != std::string::npos && highest <= 20) dataset.classes = voc_names;
  bool ade = folder.find("objectInfo150.txt") ||
             (!folder.in("annotations/training").empty() && !folder.in("images/training").empty());
  if (ade) {  // 0 is "other"; classes count from 1
    coding.class_of.fill(mask_ignore);
    dataset.classes = ade_names(folder);
    int named = static_cast<int>(dataset.classes.size());
    int classes = std::max(highest, named == 0 && folder.find("objectInfo150.txt") ? 150 : named);
    for (int i = 1; i <= classes && i < 255; ++i) coding.class_of[static_cast<size_t>(i)] = static_cast<uint8_t>(i - 1);
    if (static_cast<int>(dataset.classes.size()) < classes) number_classes(dataset, classes);
    return;
  }
  if (dataset.classes.empty())
    dataset.classes = names_file(folder, {"classes.txt", "labels.txt", "codes.txt", "class_names.txt"});
  if (dataset.classes.empty()) number_classes(dataset, highest + 1);
  identity(coding, dataset.classes.size());
  if (dataset.classes.size() > 1 && means_ignore(dataset.classes.back())) {
    coding.class_of[dataset.classes.size() - 1] = mask_ignore;
    dataset.classes.pop_back();
  }
  if (highest >= static_cast<int>(dataset.classes.size()) &&
      coding.class_of[static_cast<size_t>(highest)] == mask_ignore &&
      highest > static_cast<int>(dataset.classes.size()))
    dataset.problems.add("values of masks that have no class name are not counted",
                         fmt::format("value {} of {} classes", highest, dataset.classes.size()));
}

/// 0 and 255 only: an object and its background, as drawing programs write it.
void find_binary(Dataset& dataset) {
  if (dataset.samples.empty() || dataset.named || dataset.classes.size() != 1) return;
  Tensor values = read_mask_values(dataset.samples[0].mask);
  if (values.rank() != 2) return;
  auto data = values.data<uint8_t>();
  if (std::find(data.begin(), data.end(), mask_ignore) == data.end()) return;
  dataset.classes = {"background", "object"};
  dataset.masks.class_of[255] = 1;
}

Dataset read(const Folder& folder, const ReadRequest& request) {
  Dataset dataset;
  std::map<std::string, std::vector<Pair>> families = mask_families(folder);
  for (const Pair& pair : families[request.candidate.where]) {
    Sample sample;
    sample.path = folder.full(pair.image->path);
    sample.mask = folder.full(pair.mask->path);
    sample.part = part_of(pair.mask->directory);
    dataset.samples.push_back(std::move(sample));
  }
  count_images_without_mask(folder, families[request.candidate.where], dataset);
  find_coding(folder, dataset);
  find_binary(dataset);
  return dataset;
}
}  // namespace

const Reader masks_reader = {"masks", "an image and a mask of the same name (Cityscapes, CamVid, ADE20K, VOC, or any)",
                             detect, read};

}  // namespace hone
