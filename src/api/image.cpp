#include <hone/image.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "api/runner.hpp"
#include "devices/devices.hpp"
#include "graph/preprocess.hpp"
#include "graph/split_preprocess.hpp"
#include "import/import.hpp"
#include "run/scores.hpp"

namespace hone::v0 {

namespace {

size_t channels_of(PixelFormat format) {
  return format == PixelFormat::gray ? 1 : format == PixelFormat::rgba || format == PixelFormat::bgra ? 4 : 3;
}

/// Throws unless the image can be read; returns the bytes from row to row.
size_t check(const ImageView& image) {
  std::string place = fmt::format("image {}x{} (height x width)", image.height, image.width);
  if (image.height < 1 || image.width < 1) throw hone::Error(place, "has no pixels");
  if (!image.data) throw hone::Error(place, "was given no memory (a null pointer)");
  size_t row = static_cast<size_t>(image.width) * channels_of(image.format);
  if (image.stride != 0 && image.stride < row)
    throw hone::Error(place, fmt::format("has a stride of {} bytes, a row needs {}", image.stride, row),
                      "the stride is in bytes, from row to row");
  return image.stride ? image.stride : row;
}

void copy_row(const uint8_t* from, uint8_t* to, int width, PixelFormat format) {
  size_t step = channels_of(format);
  bool swapped = format == PixelFormat::bgr || format == PixelFormat::bgra;
  size_t red = swapped ? 2 : 0, green = step == 1 ? 0 : 1, blue = step == 1 || swapped ? 0 : 2;
  for (int x = 0; x < width; ++x, from += step, to += 3) {
    to[0] = from[red];
    to[1] = from[green];
    to[2] = from[blue];
  }
}

hone::Tensor to_tensor(const ImageView& image) {
  size_t stride = check(image), row = static_cast<size_t>(image.width) * 3;
  hone::Dims dims{1, image.height, image.width, 3};
  if (image.format == PixelFormat::rgb && stride == row)
    return hone::Tensor(hone::DType::u8, dims, image.data, row * static_cast<size_t>(image.height), nullptr);
  hone::Tensor copy(hone::DType::u8, dims);
  auto* to = static_cast<uint8_t*>(copy.mutable_raw());
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y)
    copy_row(image.data + y * stride, to + y * row, image.width, image.format);
  return copy;
}

/// Puts the preprocessing that the options ask for in front of a plain model.
void prepare_for_images(hone::Graph& graph, const std::optional<Preprocess>& wanted) {
  if (hone::takes_images(graph)) {
    if (wanted)
      throw hone::Error("ClassifierOptions::preprocess",
                        "was given for a model that has its own and takes images as they are", "leave it out");
    return;
  }
  if (!wanted)
    throw hone::Error("graph '" + graph.name + "'", "takes no images and has no preprocessing inside",
                      "give ClassifierOptions::preprocess, with the mean and std that the model was trained with");
  hone::Preprocess preprocess;
  preprocess.height = wanted->height;
  preprocess.width = wanted->width;
  preprocess.mean = wanted->mean;
  preprocess.std = wanted->std;
  preprocess.bgr = wanted->bgr;
  preprocess.antialias = wanted->antialias;
  for (float value : preprocess.std)
    if (!std::isfinite(value) || value == 0)
      throw hone::Error("Preprocess::std", fmt::format("is {}", value),
                        "pixels are divided by it; use 1 for no change");
  for (float value : preprocess.mean)
    if (!std::isfinite(value))
      throw hone::Error("Preprocess::mean", fmt::format("is {}", value), "give finite numbers");
  const hone::Value* input = graph.inputs().size() == 1 ? graph.inputs()[0] : nullptr;
  if (input && input->shape().rank() == 4) {
    if (preprocess.height == 0) preprocess.height = input->shape()[2].value;
    if (preprocess.width == 0) preprocess.width = input->shape()[3].value;
  }
  if (preprocess.height < 1 || preprocess.width < 1)
    throw hone::Error("Preprocess", "has no height and width, and the model leaves the image size open", "set both");
  hone::attach_preprocess(graph, preprocess);
}

}  // namespace

Tensor image_tensor(const ImageView& image) {
  return translated([&] {
    hone::Tensor tensor = to_tensor(image);
    bool view = tensor.raw() == image.data;
    return TensorAccess::wrap(std::move(tensor), view);
  });
}

/// The model is cut behind its Resize node: the part before it is compiled for each image size, the rest only once.
struct Classifier::Impl {
  Impl(const std::filesystem::path& file, const ClassifierOptions& options) {
    check_threads(options.model.threads);
    hone::Graph graph = hone::import_model(file);
    prepare_for_images(graph, options.preprocess);
    labels = options.labels.empty() ? hone::get_labels(graph.metadata) : options.labels;
    hone::DeviceOptions device;
    device.device = options.model.device;
    device.threads = options.model.threads;
    device.cache_dir = options.model.cache_dir;
    std::optional<hone::SplitModel> parts = hone::split_after_resize(graph);
    if (parts) prepare.emplace(hone::load(parts->prepare, device));
    network.emplace(hone::load(parts ? parts->network : graph, device));
    if (network->outputs().empty()) throw hone::Error("graph '" + graph.name + "'", "has no output");
    classes = hone::class_count(network->outputs()[0]);
    if (!labels.empty() && static_cast<int>(labels.size()) != classes)
      throw hone::Error("labels", fmt::format("{} class names for a model with {} classes", labels.size(), classes));
    const hone::Dim& batch = network->inputs()[0].shape[0];
    fixed_batch = batch.known() ? static_cast<size_t>(batch.value) : 0;
  }

  hone::Tensor network_input(const ImageView& image) {
    hone::Tensor pixels = to_tensor(image);
    return prepare ? prepare->run(std::span(&pixels, 1))[0] : pixels;
  }

  /// Scores of up to a batch of images that have equal sizes; rows beyond them are padding.
  void run(std::span<const hone::Tensor> images, int top, std::vector<std::vector<ClassScore>>& results) {
    hone::Dims dims = images[0].dims();
    dims[0] = static_cast<int64_t>(fixed_batch ? fixed_batch : images.size());
    hone::Tensor batch = dims[0] == 1 ? images[0] : hone::Tensor::zeros(images[0].dtype(), dims);
    for (size_t i = 0; dims[0] > 1 && i < images.size(); ++i)
      std::memcpy(static_cast<char*>(batch.mutable_raw()) + i * images[i].bytes(), images[i].raw(), images[i].bytes());
    hone::Tensor scores = network->run(std::span(&batch, 1))[0];
    auto values = scores.data<float>();
    auto row = static_cast<size_t>(classes);
    if (values.size() != row * static_cast<size_t>(dims[0]))
      throw hone::Error("output '" + network->outputs()[0].name + "'",
                        fmt::format("is {} for {} images, expected a row of scores an image",
                                    hone::to_string(scores.dims()), dims[0]));
    for (size_t i = 0; i < images.size(); ++i)
      results.push_back(best(hone::to_probabilities(values.subspan(i * row, row)), top));
  }

  std::vector<ClassScore> best(const std::vector<float>& probabilities, int top) const {
    std::vector<int> order(probabilities.size());
    std::iota(order.begin(), order.end(), 0);
    auto count = std::min(order.size(), static_cast<size_t>(std::max(top, 0)));
    // Ties (and NaN, which is less than everything) keep the order of the classes.
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      float x = probabilities[static_cast<size_t>(a)], y = probabilities[static_cast<size_t>(b)];
      return x > y || (y != y && x == x);
    });
    std::vector<ClassScore> result;
    for (size_t i = 0; i < count; ++i)
      result.push_back({order[i], probabilities[static_cast<size_t>(order[i])],
                        labels.empty() ? fmt::format("class {}", order[i]) : labels[static_cast<size_t>(order[i])]});
    return result;
  }

  std::optional<hone::Session> prepare;  // nothing when images go to the network as they are
  std::optional<hone::Session> network;
  std::vector<std::string> labels;
  int classes = 0;
  size_t fixed_batch = 0;  // 0: any
  std::atomic<bool> busy{false};
};

Classifier::Classifier(const std::filesystem::path& file, const ClassifierOptions& options)
    : impl_(translated([&] { return std::make_unique<Impl>(file, options); })) {}
Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

int Classifier::classes() const noexcept { return impl_ ? impl_->classes : 0; }
const std::vector<std::string>& Classifier::labels() const noexcept {
  static const std::vector<std::string> none;
  return impl_ ? impl_->labels : none;
}

std::vector<ClassScore> Classifier::classify(const ImageView& image, int top) {
  return std::move(classify(std::span(&image, 1), top)[0]);
}

std::vector<std::vector<ClassScore>> Classifier::classify(std::span<const ImageView> images, int top) {
  alive(impl_, "Classifier");
  return translated([&] {
    InUse use(impl_->busy, "Classifier");
    std::vector<std::vector<ClassScore>> results;
    std::vector<hone::Tensor> waiting;
    auto flush = [&] {
      if (!waiting.empty()) impl_->run(waiting, top, results);
      waiting.clear();
    };
    for (const ImageView& image : images) {
      hone::Tensor input = impl_->network_input(image);
      if (!waiting.empty() && waiting[0].dims() != input.dims()) flush();
      waiting.push_back(std::move(input));
      if (impl_->fixed_batch && waiting.size() == impl_->fixed_batch) flush();
    }
    flush();
    return results;
  });
}

}  // namespace hone::v0
