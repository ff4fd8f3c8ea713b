#include "data/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/names.hpp"
#include "data/random.hpp"

namespace hone {

namespace {
/// The classes present in a sample.
std::set<int> labels_of(const Sample& sample) {
  std::set<int> labels(sample.labels.begin(), sample.labels.end());
  if (sample.label >= 0) labels.insert(sample.label);
  for (const Annotation& object : sample.objects) labels.insert(object.label);
  return labels;
}

/// True for the samples to hold back.
std::vector<bool> stratified(const Dataset& dataset, const SplitOptions& options) {
  size_t count = dataset.samples.size(), classes = dataset.classes.size();
  std::vector<std::set<int>> labels;
  std::vector<std::vector<size_t>> members(classes + 1);  // the last: samples without any label
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  Rng rng = Rng::of(options.seed, 0x73706C6974, 0);
  rng.shuffle(std::span<size_t>(order));
  for (const Sample& sample : dataset.samples) labels.push_back(labels_of(sample));
  for (size_t i : order) {
    if (labels[i].empty()) members[classes].push_back(i);
    for (int label : labels[i]) members[static_cast<size_t>(label)].push_back(i);
  }
  std::vector<bool> held(count, false), placed(count, false);
  std::vector<int64_t> held_of(classes + 1, 0);
  std::vector<size_t> by_rarity(classes + 1);
  std::iota(by_rarity.begin(), by_rarity.end(), size_t{0});
  std::stable_sort(by_rarity.begin(), by_rarity.end() - 1,
                   [&](size_t a, size_t b) { return members[a].size() < members[b].size(); });
  for (size_t c : by_rarity) {
    auto wanted =
        static_cast<int64_t>(std::lround(options.validation_fraction * static_cast<double>(members[c].size())));
    if (members[c].size() >= 2) wanted = std::clamp<int64_t>(wanted, 1, static_cast<int64_t>(members[c].size()) - 1);
    for (size_t i : members[c]) {
      if (placed[i]) continue;
      placed[i] = true;
      if (held_of[c] >= wanted) continue;
      held[i] = true;
      for (int label : labels[i]) ++held_of[static_cast<size_t>(label)];
      if (labels[i].empty()) ++held_of[classes];
    }
  }
  return held;
}

void require_usable(const Splits& splits) {
  if (splits.train.samples.empty()) throw Error("splits", "no images are left for training", "give more images");
  if (splits.validation.samples.empty()) throw Error("splits", "no images are left for validation", "give more images");
  if (splits.train.task != Task::classification) return;
  std::vector<int64_t> counts = splits.train.class_counts();
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] == 0)
      throw Error("class '" + splits.train.classes[i] + "'", "has no image left for training",
                  "add images or remove the class");
}
}  // namespace

Splits make_splits(Dataset dataset, const SplitOptions& options) {
  if (!(options.validation_fraction > 0 && options.validation_fraction < 1))
    throw Error("validation fraction",
                fmt::format("expected more than 0 and less than 1, got {}", options.validation_fraction));
  std::vector<Sample> samples = std::move(dataset.samples);
  dataset.samples.clear();
  Splits splits{dataset, dataset, dataset, {}, {}};
  auto has = [&](Part part) {
    return std::any_of(samples.begin(), samples.end(), [&](const Sample& s) { return s.part == part; });
  };
  bool train = has(Part::train), validation = has(Part::validation), test = has(Part::test);
  bool own = train && (validation || test);
  if (own) {
    for (Sample& sample : samples) {
      Part part = sample.part == Part::test && !validation ? Part::validation : sample.part;
      if (part == Part::train) splits.train.samples.push_back(std::move(sample));
      if (part == Part::validation) splits.validation.samples.push_back(std::move(sample));
      if (part == Part::test) splits.test.samples.push_back(std::move(sample));
    }
  } else {
    Dataset rest = dataset;
    for (Sample& sample : samples)
      (sample.part == Part::test ? splits.test : rest).samples.push_back(std::move(sample));
    if (rest.samples.empty()) std::swap(rest.samples, splits.test.samples);
    std::vector<bool> held = stratified(rest, options);
    for (size_t i = 0; i < rest.samples.size(); ++i)
      (held[i] ? splits.validation : splits.train).samples.push_back(std::move(rest.samples[i]));
  }
  require_usable(splits);
  splits.description =
      fmt::format("{} classes, {} train, {} validation and {} test images ({})", dataset.classes.size(),
                  splits.train.samples.size(), splits.validation.samples.size(), splits.test.samples.size(),
                  own ? "the data set's own parts"
                      : fmt::format("{:.0f}% held back, seed {}", options.validation_fraction * 100, options.seed));
  return splits;
}

namespace {
std::string name_in_list(const Sample& sample, const std::filesystem::path& base) {
  if (base.empty()) return std::filesystem::absolute(sample.path).lexically_normal().string();
  std::filesystem::path relative = std::filesystem::absolute(sample.path)
                                       .lexically_normal()
                                       .lexically_relative(std::filesystem::absolute(base).lexically_normal());
  bool below = !relative.empty() && *relative.begin() != "..";
  return below ? relative.string() : std::filesystem::absolute(sample.path).lexically_normal().string();
}
}  // namespace

void write_list(const std::filesystem::path& file, const Dataset& dataset, const std::filesystem::path& base) {
  std::string text;
  for (const Sample& sample : dataset.samples) text += name_in_list(sample, base) + '\n';
  write_file(file, text);
}

void apply_list(const std::filesystem::path& file, Dataset& dataset, Part part, const std::filesystem::path& base) {
  std::unordered_map<std::string, size_t> by_name;
  for (size_t i = 0; i < dataset.samples.size(); ++i) by_name.emplace(name_in_list(dataset.samples[i], base), i);
  std::string text = read_text_file(file);
  int64_t line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    auto found = by_name.find(name);
    if (found == by_name.end())
      throw Error(fmt::format("{} line {}", quoted(file), line),
                  fmt::format("'{}' is not an image of the data set", name), "was the data set moved or changed?");
    dataset.samples[found->second].part = part;
  }
}

}  // namespace hone
