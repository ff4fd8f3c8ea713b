#include "data/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "data/mask_file.hpp"
#include "data/names.hpp"
#include "data/workers.hpp"

namespace hone {

namespace {
constexpr int thumbnail_side = 16;

struct Look {
  std::string unreadable;
  ImageSize size;
  uint64_t hash = 0;
  std::array<uint8_t, thumbnail_side * thumbnail_side> thumbnail{};
  std::vector<int64_t> pixels;  // of each class
};

uint8_t gray_at(const Tensor& image, int y, int x) {
  const uint8_t* p = &image.data<uint8_t>()[static_cast<size_t>(3 * (y * image.dim(1) + x))];
  return static_cast<uint8_t>((77 * p[0] + 150 * p[1] + 29 * p[2]) >> 8);
}

/// Brighter than the right neighbor, on a 9x8 thumbnail.
uint64_t difference_hash(const Tensor& image) {
  Tensor small = resize_image(image, 8, 9);
  uint64_t hash = 0;
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 8; ++x) hash = hash << 1 | (gray_at(small, y, x) > gray_at(small, y, x + 1));
  return hash;
}

void look_at(const Dataset& dataset, const Sample& sample, Look& look) {
  try {
    Tensor image = sample.pixels.defined() ? image_of(sample) : decode_image_shrunk(sample.path, 64);
    look.size = sample.size.width > 0 ? sample.size : image_size(sample.path);
    look.hash = difference_hash(image);
    Tensor small = resize_image(image, thumbnail_side, thumbnail_side);
    for (int i = 0; i < thumbnail_side * thumbnail_side; ++i)
      look.thumbnail[static_cast<size_t>(i)] = gray_at(small, i / thumbnail_side, i % thumbnail_side);
    if (dataset.task != Task::segmentation) return;
    Tensor mask = read_mask(sample.mask, dataset.masks);
    if (mask.dim(0) != look.size.height || mask.dim(1) != look.size.width)
      throw Error("", fmt::format("its mask is {}x{}, the image {}x{}", mask.dim(1), mask.dim(0), look.size.width,
                                  look.size.height));
    look.pixels.assign(dataset.classes.size(), 0);
    for (uint8_t value : mask.data<uint8_t>())
      if (value < look.pixels.size()) ++look.pixels[value];
  } catch (const Error& error) {
    look.unreadable = error.problem();
  }
}

bool same_picture(const Look& a, const Look& b) {
  if (std::popcount(a.hash ^ b.hash) > 3) return false;
  int difference = 0;
  for (size_t i = 0; i < a.thumbnail.size(); ++i) difference += std::abs(a.thumbnail[i] - b.thumbnail[i]);
  return difference <= static_cast<int>(2 * a.thumbnail.size());
}

/// Hashes that differ in at most 3 of 64 bits agree in one of four 16-bit parts: only those are compared.
void find_duplicates(const Dataset& dataset, const std::vector<Look>& looks, DatasetStatistics& result) {
  constexpr size_t most_in_bucket = 2000, most_listed = 200;
  std::set<std::pair<size_t, size_t>> pairs;
  for (int part = 0; part < 4; ++part) {
    std::vector<std::pair<uint16_t, size_t>> order;
    for (size_t i = 0; i < looks.size(); ++i)
      if (looks[i].unreadable.empty()) order.emplace_back(static_cast<uint16_t>(looks[i].hash >> (16 * part)), i);
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < order.size(); ++i)
      for (size_t j = i + 1; j < order.size() && j < i + most_in_bucket && order[j].first == order[i].first; ++j)
        if (same_picture(looks[order[i].second], looks[order[j].second]))
          pairs.insert(std::minmax(order[i].second, order[j].second));
  }
  result.duplicate_count = static_cast<int64_t>(pairs.size());
  std::vector<Duplicate> across, within;
  for (auto [a, b] : pairs) {
    const Sample &first = dataset.samples[a], &second = dataset.samples[b];
    Duplicate duplicate{first.path.string(), second.path.string(), first.part, second.part};
    (first.part != second.part ? across : within).push_back(std::move(duplicate));
  }
  result.duplicates_across_parts = static_cast<int64_t>(across.size());
  across.insert(across.end(), within.begin(), within.end());
  if (across.size() > most_listed) across.resize(most_listed);
  result.duplicates = std::move(across);
}

void count_classes(const Dataset& dataset, const std::vector<Look>& looks, DatasetStatistics& result) {
  for (const std::string& name : dataset.classes) result.classes.push_back({name, 0, 0});
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    std::set<int> present;
    auto count = [&](int label, int64_t amount) {
      if (label < 0 || label >= static_cast<int>(result.classes.size()) || amount == 0) return;
      result.classes[static_cast<size_t>(label)].count += amount;
      present.insert(label);
    };
    if (dataset.task == Task::segmentation)
      for (size_t c = 0; c < looks[i].pixels.size(); ++c) count(static_cast<int>(c), looks[i].pixels[c]);
    else if (dataset.task == Task::detection || dataset.task == Task::instance_segmentation)
      for (const Annotation& object : sample.objects) count(object.label, 1);
    else if (dataset.task == Task::multi_label)
      for (int label : sample.labels) count(label, 1);
    else
      count(sample.label, 1);
    for (int label : present) ++result.classes[static_cast<size_t>(label)].images;
    result.empty += present.empty() && looks[i].unreadable.empty();
  }
}

void measure_boxes(const Dataset& dataset, DatasetStatistics& result) {
  std::vector<double> per_image, sides, aspects;
  for (const Sample& sample : dataset.samples) {
    per_image.push_back(static_cast<double>(sample.objects.size()));
    double image_area = static_cast<double>(sample.size.width) * sample.size.height;
    for (const Annotation& object : sample.objects) {
      double area = object.box.area();
      if (image_area > 0) sides.push_back(std::sqrt(area / image_area));
      aspects.push_back(object.box.w / object.box.h);
      (area <= 32 * 32 ? result.small : area <= 96 * 96 ? result.medium : result.large) += 1;
    }
  }
  result.objects = static_cast<int64_t>(aspects.size());
  result.objects_per_image = Spread::of(per_image);
  result.box_side = Spread::of(sides);
  result.box_aspect = Spread::of(aspects);
}

/// "1 class", "3 classes".
std::string count_of(int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

void suggest(const Dataset& dataset, DatasetStatistics& result) {
  auto say = [&](std::string text) { result.suggestions.push_back(std::move(text)); };
  bool objects = dataset.task == Task::detection || dataset.task == Task::instance_segmentation;
  const char* unit = dataset.task == Task::segmentation ? "pixels" : objects ? "objects" : "images";
  std::vector<std::string> absent, few;
  const ClassStatistics *most = nullptr, *least = nullptr;
  for (const ClassStatistics& one : result.classes) {
    if (one.count == 0) absent.push_back(one.name);
    if (one.count > 0 && one.images < 20) few.push_back(one.name);
    if (!most || one.count > most->count) most = &one;
    if (one.count > 0 && (!least || one.count < least->count)) least = &one;
  }
  if (!result.corrupt.empty())
    say(count_of(static_cast<int64_t>(result.corrupt.size()), "file", "files") +
        " cannot be read; copy again or delete.");
  if (result.duplicates_across_parts > 0)
    say(count_of(result.duplicates_across_parts, "picture is", "pictures are") +
        " in two parts of the data at once: figures of the validation will look better than the truth. Remove one of "
        "each.");
  if (result.duplicate_count > result.duplicates_across_parts)
    say(count_of(result.duplicate_count - result.duplicates_across_parts, "pair of pictures looks",
                 "pairs of pictures look") +
        " the same; delete one of each, or keep both in the same part.");
  if (!absent.empty() && dataset.named)
    say(fmt::format("{} no {}: {}. Add examples or remove the names.",
                    count_of(static_cast<int64_t>(absent.size()), "class has", "classes have"), unit,
                    name_list(absent, 6)));
  if (!few.empty())
    say(fmt::format("{} in fewer than 20 images: {}. Expect poor results there until there are more.",
                    count_of(static_cast<int64_t>(few.size()), "class is", "classes are"), name_list(few, 6)));
  if (most && least && least->count * 10 < most->count)
    say(fmt::format(
        "'{}' has {:.0f} times as many {} as '{}': balance the classes (add images, or balanced sampling in training).",
        most->name, static_cast<double>(most->count) / static_cast<double>(least->count), unit, least->name));
  if (objects && result.objects > 0 && result.small * 2 > result.objects)
    say(fmt::format(
        "{:.0f}% of the boxes are smaller than 32x32 pixels: train with a larger input, or cut the images into tiles.",
        100.0 * static_cast<double>(result.small) / static_cast<double>(result.objects)));
  if (result.empty > 0)
    say(fmt::format("{} images have no {}. That is right for background; otherwise their annotation is missing.",
                    result.empty, objects ? "objects" : "labels"));
  if (result.images < 100) say(fmt::format("Only {} images: start from a pretrained backbone.", result.images));
  if (dataset.problems.total() > 0)
    say(fmt::format("{} annotations have problems; see the list.", dataset.problems.total()));
  if (result.suggestions.empty()) say("Nothing stands out: the data set is ready for training.");
}
}  // namespace

Spread Spread::of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  auto at = [&](double share) {
    return values[static_cast<size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
  };
  return {at(0), at(0.1), at(0.5), at(0.9), at(1)};
}

DatasetStatistics examine(const Dataset& dataset, const StatisticsOptions& options) {
  std::vector<Look> looks(dataset.samples.size());
  run_tasks(static_cast<int64_t>(looks.size()), options.threads, "look at images", options.progress, [&](int64_t i) {
    look_at(dataset, dataset.samples[static_cast<size_t>(i)], looks[static_cast<size_t>(i)]);
  });
  DatasetStatistics result;
  std::vector<double> widths, heights;
  for (size_t i = 0; i < looks.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    ++result.images;
    result.train += sample.part == Part::train;
    result.validation += sample.part == Part::validation;
    result.test += sample.part == Part::test;
    if (!looks[i].unreadable.empty()) {
      result.corrupt.push_back({sample.path, looks[i].unreadable});
      continue;
    }
    widths.push_back(looks[i].size.width);
    heights.push_back(looks[i].size.height);
  }
  result.width = Spread::of(widths);
  result.height = Spread::of(heights);
  count_classes(dataset, looks, result);
  measure_boxes(dataset, result);
  find_duplicates(dataset, looks, result);
  suggest(dataset, result);
  return result;
}

}  // namespace hone
