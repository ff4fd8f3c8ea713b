#include "app/support/calibration.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "app/evaluation/evaluate_detection.hpp"
#include "app/support/latency.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/names.hpp"
#include "data/random.hpp"
#include "data/read.hpp"
#include "graph/split_preprocess.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

constexpr int random_sets = 8;

/// The images of a data set whatever they are annotated for; nothing that is asked for: those of its training part.
std::vector<Sample> read_samples(const std::filesystem::path& data, const DataFlags& images,
                                 const std::string& format) {
  DatasetOptions read;
  read.format = format;
  Dataset dataset = read_dataset(data, read);
  print_problems(dataset);
  bool has_train = std::any_of(dataset.samples.begin(), dataset.samples.end(),
                               [](const Sample& s) { return s.part == Part::train; });
  DataFlags chosen = images;
  if (images.part.empty()) chosen.part = has_train ? "train" : "all";
  choose_samples(dataset, data, chosen);
  return std::move(dataset.samples);
}

std::vector<Sample> find_images(const std::filesystem::path& data, const DataFlags& images) {
  std::error_code ignored;
  if (images.given()) return read_samples(data, images, images.format);
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(data / "train", ignored)) {
    files = list_images(data / "train");
  } else if (has_image_extension(data) || !std::filesystem::exists(data, ignored)) {
    files = list_images(data);
  } else if (to_lower(data.extension().string()) == ".csv" && has_label_columns(data)) {
    return read_csv_labels(data).samples;
  } else {
    std::vector<FoundAnnotation> found = find_annotations(data);
    if (!found.empty() && found[0].embedded) return read_samples(data, images, found[0].format);
    if (std::filesystem::is_regular_file(data, ignored))
      return found.empty() ? read_csv_labels(data).samples : read_samples(data, images, "");
    files = list_images(data);
  }
  std::vector<Sample> samples(files.size());
  for (size_t i = 0; i < files.size(); ++i) samples[i].path = std::move(files[i]);
  return samples;
}

/// Tensors of one image each, [1, ...], as one of [batch, ...].
Tensor stack(const std::vector<Tensor>& items) {
  if (items.size() == 1) return items[0];
  Dims dims = items[0].dims();
  dims[0] = static_cast<int64_t>(items.size());
  Tensor batch(items[0].dtype(), dims);
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].dims() != items[0].dims())
      throw Error("images",
                  fmt::format("sizes {} and {} do not go into one batch", to_string(items[0].dims()),
                              to_string(items[i].dims())),
                  "use images of one size for a model with a fixed batch");
    std::memcpy(static_cast<char*>(batch.mutable_raw()) + i * items[i].bytes(), items[i].raw(), items[i].bytes());
  }
  return batch;
}

/// Makes the input [1, ...] of a model of a decoded image [H, W, 3].
using Prepare = std::function<Tensor(const Tensor& image)>;

Tensor with_batch(const Tensor& image) { return image.reshaped({1, image.dim(0), image.dim(1), 3}); }

/// As the model is used: images as they are for one with its own preprocessing, the rule of a known detector or
/// segmenter, else what the options say.
Prepare prepare_for(const Graph& model, const ImageFlags& flags) {
  if (flags.ready_for_images(model)) return with_batch;
  const Decoder* decoder = find_decoder("", model);
  std::optional<InputRule> rule = decoder ? std::optional(decoder->input) : segmenter_rule(model);
  const Shape& shape = model.inputs().at(0)->shape();
  if (rule && flags.given().empty() && shape.rank() == 4 && shape[2].known() && shape[3].known()) {
    ImageSize size{static_cast<int>(shape[2].value), static_cast<int>(shape[3].value)};
    return [rule = *rule, size](const Tensor& image) {
      Placement placement;
      return network_input(image, size, rule, placement);
    };
  }
  Preprocess settings = flags.preprocess(model);
  Graph check = model.clone();
  attach_preprocess(check, settings);  // throws Error that explains why a model is none for images
  auto session = std::make_shared<Session>(load(preprocess_only(settings), {.threads = 1}));
  return [session](const Tensor& image) {
    Tensor input = with_batch(image);
    return session->run(std::span(&input, 1))[0];
  };
}

class ImageCalibration : public Calibration {
 public:
  ImageCalibration(const std::filesystem::path& data, std::vector<Sample> samples, Prepare prepare, size_t batch)
      : data_(fmt::format("'{}'", data.string())),
        samples_(std::move(samples)),
        prepare_(std::move(prepare)),
        batch_(batch) {}

  int available() const override { return std::max(1, static_cast<int>(samples_.size())); }

  bool next(std::vector<Tensor>& inputs) override {
    std::vector<Tensor> items;
    while (items.size() < batch_ && position_ < samples_.size()) {
      check_interrupt("images");
      const Sample& sample = samples_[position_++];
      try {
        items.push_back(prepare_(image_of(sample)));
      } catch (const Interrupted&) {
        throw;
      } catch (const Error& error) {
        skipped_.push_back({sample.path, error.problem()});
      }
    }
    if (items.size() < batch_) {
      if (!made_ && !(items.empty() && skipped_.empty())) throw_nothing(items.size());
      return false;
    }
    made_ = true;
    inputs = {stack(items)};
    return true;
  }

 private:
  [[noreturn]] void throw_nothing(size_t readable) const {
    if (readable > 0)
      throw Error(
          data_,
          fmt::format("the model takes {} images at a time, of those given only {} can be used", batch_, readable),
          "give more images, or make a model with a free batch (hone convert --batch N)");
    const Skipped& first = skipped_.at(0);
    throw Error(data_,
                fmt::format("none of the {} images can be used; the first: '{}': {}", skipped_.size(),
                            first.path.string(), first.reason),
                "give images that hone run can read as well");
  }

  std::string data_;
  std::vector<Sample> samples_;
  bool made_ = false;  // at least one set
  size_t position_ = 0;
  Prepare prepare_;
  size_t batch_;
};

class RandomCalibration : public Calibration {
 public:
  explicit RandomCalibration(const Graph& model) : model_(model.clone()) {}

  int available() const override { return random_sets; }

  bool next(std::vector<Tensor>& inputs) override {
    if (made_ == random_sets) return false;
    ++made_;
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

std::unique_ptr<Calibration> image_calibration(const Graph& model, const std::filesystem::path& data,
                                               const DataFlags& images, const ImageFlags& flags, int subset) {
  std::vector<Sample> samples = find_images(data, images);
  std::sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.path < b.path; });
  Rng rng(1);
  rng.shuffle(std::span(samples));
  // Twice as many as needed: some may be unreadable.
  samples.resize(std::min(samples.size(), 2 * static_cast<size_t>(subset)));
  const Dim& batch = model.inputs()[0]->shape()[0];
  return std::make_unique<ImageCalibration>(data, std::move(samples), prepare_for(model, flags),
                                            batch.known() ? static_cast<size_t>(std::max<int64_t>(1, batch.value)) : 1);
}

std::unique_ptr<Calibration> random_calibration(const Graph& model) {
  return std::make_unique<RandomCalibration>(model);
}

}  // namespace hone::app
