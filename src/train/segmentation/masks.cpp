#include "train/segmentation/masks.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/image.hpp"
#include "data/mask_file.hpp"
#include "data/workers.hpp"

namespace hone {

namespace {

struct Counted {
  std::array<int64_t, 256> pixels{};
  std::string problem;
};

Counted count(const Sample& sample, const Dataset& dataset) {
  Counted counted;
  if (sample.mask.empty()) {
    counted.problem = "has no mask";
    return counted;
  }
  Tensor mask = read_mask(sample.mask, dataset.masks);
  ImageSize size = sample.size;
  if (sample.pixels.defined())
    size = {static_cast<int>(sample.pixels.dim(0)), static_cast<int>(sample.pixels.dim(1))};
  else if (size.width == 0)
    size = image_size(sample.path);
  if (mask.dim(0) != size.height || mask.dim(1) != size.width)
    counted.problem =
        fmt::format("its mask is {}x{}, the image {}x{}", mask.dim(1), mask.dim(0), size.width, size.height);
  for (uint8_t value : mask.data<uint8_t>()) ++counted.pixels[value];
  for (size_t value = dataset.classes.size(); value < mask_ignore; ++value)
    if (counted.pixels[value] > 0)
      counted.problem = fmt::format("its mask has the value {}, there are {} classes", value, dataset.classes.size());
  return counted;
}

}  // namespace

CheckedMasks check_masks(const Dataset& dataset, const char* label, Progress& progress) {
  std::vector<Counted> counted(dataset.samples.size());
  run_tasks(static_cast<int64_t>(counted.size()), 0, label, &progress, [&](int64_t i) {
    auto index = static_cast<size_t>(i);
    try {
      counted[index] = count(dataset.samples[index], dataset);
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      counted[index].problem = error.problem();
    }
  });
  progress.end();
  CheckedMasks result{dataset, {}, std::vector<int64_t>(dataset.classes.size(), 0)};
  result.dataset.samples.clear();
  for (size_t i = 0; i < counted.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    if (!counted[i].problem.empty()) {
      result.skipped.push_back({sample.path, counted[i].problem});
      continue;
    }
    result.dataset.samples.push_back(sample);
    for (size_t c = 0; c < result.pixels.size(); ++c) result.pixels[c] += counted[i].pixels[c];
  }
  return result;
}

std::vector<float> class_weights(const std::vector<int64_t>& pixels, double balance) {
  std::vector<int64_t> present;
  for (int64_t count : pixels)
    if (count > 0) present.push_back(count);
  std::vector<float> weights(pixels.size(), 1);
  if (present.empty() || balance == 0) return weights;
  std::sort(present.begin(), present.end());
  auto median = static_cast<double>(present[present.size() / 2]);
  for (size_t c = 0; c < pixels.size(); ++c)
    if (pixels[c] > 0)
      weights[c] =
          static_cast<float>(std::clamp(std::pow(median / static_cast<double>(pixels[c]), balance), 0.1, 10.0));
  return weights;
}

}  // namespace hone
