#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "data/dataset.hpp"
#include "data/workers.hpp"

namespace hone {

std::vector<Skipped> check_images(Dataset& dataset, const CheckOptions& options) {
  std::vector<std::optional<std::string>> reasons(dataset.samples.size());
  run_tasks(static_cast<int64_t>(dataset.samples.size()), options.threads, "check images", options.progress,
            [&](int64_t i) {
              if (dataset.samples[static_cast<size_t>(i)].pixels.defined()) return;
              const std::filesystem::path& path = dataset.samples[static_cast<size_t>(i)].path;
              try {
                if (options.cache)
                  options.cache->load(path);
                else
                  decode_image_shrunk(path, 64);  // reads the whole file, but transforms fewer pixels
              } catch (const Error& error) {
                reasons[static_cast<size_t>(i)] = error.problem();
              }
            });
  std::vector<Skipped> skipped;
  std::vector<Sample> kept;
  for (size_t i = 0; i < reasons.size(); ++i) {
    Sample& sample = dataset.samples[i];
    if (reasons[i])
      skipped.push_back({std::move(sample.path), *reasons[i]});
    else
      kept.push_back(std::move(sample));
  }
  dataset.samples = std::move(kept);
  std::stable_sort(skipped.begin(), skipped.end(), [](const Skipped& a, const Skipped& b) { return a.path < b.path; });
  return skipped;
}

}  // namespace hone
