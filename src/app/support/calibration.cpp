#include "app/support/calibration.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "app/support/latency.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/random.hpp"
#include "graph/split_preprocess.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

constexpr int random_sets = 8;

std::vector<std::filesystem::path> find_images(const std::filesystem::path& data) {
  std::error_code ignored;
  if (std::filesystem::is_directory(data / "train", ignored)) return list_images(data / "train");
  if (!std::filesystem::is_regular_file(data, ignored) || has_image_extension(data)) return list_images(data);
  std::vector<std::filesystem::path> files;
  for (Sample& sample : read_csv_labels(data).samples) files.push_back(std::move(sample.path));
  return files;
}

/// Tensors of one image each, [1, ...], as one of [batch, ...].
Tensor stack(const std::vector<Tensor>& items) {
  if (items.size() == 1) return items[0];
  Dims dims = items[0].dims();
  dims[0] = static_cast<int64_t>(items.size());
  Tensor batch(items[0].dtype(), dims);
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].dims() != items[0].dims())
      throw Error("calibration", fmt::format("images of sizes {} and {} do not go into one batch", to_string(items[0].dims()),
                                             to_string(items[i].dims())), "use images of one size for a model with a fixed batch");
    std::memcpy(static_cast<char*>(batch.mutable_raw()) + i * items[i].bytes(), items[i].raw(), items[i].bytes());
  }
  return batch;
}

class ImageCalibration : public Calibration {
 public:
  ImageCalibration(std::vector<std::filesystem::path> files, std::optional<Session> preprocess, size_t batch)
      : files_(std::move(files)), preprocess_(std::move(preprocess)), batch_(batch) {}

  bool next(std::vector<Tensor>& inputs) override {
    std::vector<Tensor> items;
    while (items.size() < batch_ && position_ < files_.size()) {
      check_interrupt("calibration");
      const std::filesystem::path& file = files_[position_++];
      try {
        Tensor image = decode_image(file);
        image = image.reshaped({1, image.dim(0), image.dim(1), 3});
        items.push_back(preprocess_ ? preprocess_->run(std::span(&image, 1))[0] : image);
      } catch (const Interrupted&) {
        throw;
      } catch (const Error& error) {
        skipped_.push_back({file, error.problem()});
      }
    }
    if (items.size() < batch_) return false;
    inputs = {stack(items)};
    return true;
  }

 private:
  std::vector<std::filesystem::path> files_;
  size_t position_ = 0;
  std::optional<Session> preprocess_;
  size_t batch_;
};

class RandomCalibration : public Calibration {
 public:
  explicit RandomCalibration(const Graph& model) : model_(model.clone()) {}

  bool next(std::vector<Tensor>& inputs) override {
    if (made_++ == random_sets) return false;
    inputs.clear();
    for (const Value* input : model_.inputs())
      inputs.push_back(random_tensor(input->dtype(), concrete_dims(model_, *input, 1, std::nullopt),
                                     static_cast<uint64_t>(made_) * 100 + inputs.size()));
    return true;
  }

 private:
  Graph model_;
  int made_ = 0;
};

}  // namespace

std::unique_ptr<Calibration> image_calibration(const Graph& model, const std::filesystem::path& data, const ImageFlags& flags,
                                               int subset) {
  std::vector<std::filesystem::path> files = find_images(data);
  std::sort(files.begin(), files.end());
  Rng rng(1);
  rng.shuffle(std::span(files));
  // Twice as many as needed: some may be unreadable.
  files.resize(std::min(files.size(), 2 * static_cast<size_t>(subset)));
  std::optional<Session> preprocess;
  if (!flags.ready_for_images(model)) {
    Preprocess settings = flags.preprocess(model);
    Graph check = model.clone();
    attach_preprocess(check, settings);  // throws Error that explains why a model is none for images
    preprocess.emplace(load(preprocess_only(settings), {.threads = 1}));
  }
  const Dim& batch = model.inputs()[0]->shape()[0];
  return std::make_unique<ImageCalibration>(std::move(files), std::move(preprocess),
                                            batch.known() ? static_cast<size_t>(std::max<int64_t>(1, batch.value)) : 1);
}

std::unique_ptr<Calibration> random_calibration(const Graph& model) { return std::make_unique<RandomCalibration>(model); }

}  // namespace hone::app
