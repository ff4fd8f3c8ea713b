#include "app/support/segmenter.hpp"

#include <algorithm>
#include <span>

#include "base/error.hpp"
#include "data/mask_file.hpp"
#include "graph/split_preprocess.hpp"

namespace hone::app {

namespace {

int known(const Dim& dim) { return dim.known() ? static_cast<int>(dim.value) : 0; }

}  // namespace

Tensor best_classes(const Tensor& scores) {
  if (scores.rank() != 4 || scores.dim(0) != 1)
    throw Error("output",
                "is " + to_string(scores.dims()) + ", expected the scores [1, classes, height, width] of a segmenter");
  Tensor best = Tensor::zeros(DType::u8, {scores.dim(2), scores.dim(3)});
  auto in = scores.data<float>();
  auto out = best.mutable_data<uint8_t>();
  std::vector<float> most(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(out.size()));
  for (int64_t c = 1; c < scores.dim(1); ++c) {
    const float* plane = &in[static_cast<size_t>(c) * out.size()];
    for (size_t i = 0; i < out.size(); ++i)
      if (plane[i] > most[i]) most[i] = plane[i], out[i] = static_cast<uint8_t>(c);
  }
  return best;
}

Segmenter::Segmenter(const Graph& model, const InputRule& rule, const DeviceOptions& device)
    : rule_(rule), takes_images_(takes_images(model)) {
  if (std::optional<SplitModel> parts = takes_images_ ? split_after_resize(model) : std::nullopt) {
    // Images come in many sizes, the network has one plan.
    DeviceOptions single = device;
    single.threads = 1;
    prepare_.emplace(load(parts->prepare, single));
    network_.emplace(load(parts->network, device));
    return;
  }
  const Shape& shape = model.inputs().at(0)->shape();
  if (!takes_images_) size_ = {known(shape[2]), known(shape[3])};
  if (!takes_images_ && (size_.height < 1 || size_.width < 1))
    throw Error("input '" + model.inputs()[0]->name + "'", "leaves the image size open", "fix it in the model");
  network_.emplace(load(model, device));
}

Tensor Segmenter::input_of(const Tensor& image) {
  if (takes_images_) {
    Tensor input = image.reshaped({1, image.dim(0), image.dim(1), 3});
    return prepare_ ? prepare_->run(std::span(&input, 1)).at(0) : input;
  }
  Placement placement;
  return network_input(image, size_, rule_, placement);
}

Tensor Segmenter::classes_of(const Tensor& image) {
  Tensor input = input_of(image);
  Tensor scores = network_->run(std::span(&input, 1)).at(0);
  return resize_mask(best_classes(scores), static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)));
}

}  // namespace hone::app
