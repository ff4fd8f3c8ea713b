#include "train/segmentation/objective.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.hpp"
#include "data/mask_file.hpp"
#include "train/segmentation/pixel_loss.hpp"

namespace hone {

namespace {

/// pixel_loss() of channels-last scores [n, C, h, w]. The gradient is found on the way.
struct LossFunction : torch::autograd::Function<LossFunction> {
  static torch::autograd::Variable forward(torch::autograd::AutogradContext* context,
                                           const torch::autograd::Variable& scores, const uint8_t* target,
                                           PixelLoss loss) {
    at::Tensor last = scores.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor gradient = at::empty_like(last, at::MemoryFormat::ChannelsLast);
    double sum = pixel_loss(last.data_ptr<float>(), target, last.numel() / last.size(1), last.size(1), loss,
                            gradient.data_ptr<float>());
    context->save_for_backward({gradient});
    return at::scalar_tensor(sum, at::kFloat);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {context->get_saved_variables()[0] * gradients[0], torch::autograd::Variable(), torch::autograd::Variable()};
  }
};

}  // namespace

SegmentationObjective::SegmentationObjective(const Splits& data, const TrainOptions& options,
                                             const SegmentationOptions& segmentation, std::vector<float> weights)
    : data_(data),
      options_(options),
      segmentation_(segmentation),
      weights_(std::move(weights)),
      matrix_(static_cast<int>(weights_.size())) {}

Graph SegmentationObjective::training_graph(const Graph& model) const {
  bool vary = options_.start_size < 1 || !segmentation_.scene.sizes.empty();
  Graph fixed = free_image_input(model, options_.preprocess, false);
  if (fixed.outputs().empty()) throw Error("model '" + model.name + "'", "has no output");
  const Value* scores = fixed.outputs()[0].value;
  auto classes = static_cast<int64_t>(data_.train.classes.size());
  const Shape& shape = scores->shape();
  bool fits = scores->dtype() == DType::f32 && shape.rank() == 4 && shape[1] == Dim(classes) &&
              (!shape[2].known() || shape[2] == Dim(options_.preprocess.height)) &&
              (!shape[3].known() || shape[3] == Dim(options_.preprocess.width));
  if (!fits)
    throw Error(
        "output '" + fixed.outputs()[0].name + "'",
        fmt::format("is {}; for the {} classes of the data expected f32[N, {}, {}, {}]", to_string(scores->type),
                    classes, classes, options_.preprocess.height, options_.preprocess.width),
        "scores have the size of the network's input");
  return vary ? free_image_input(model, options_.preprocess, true) : std::move(fixed);
}

void SegmentationObjective::configure(LoaderOptions& loader, bool training) const {
  if (training) loader.scene = segmentation_.scene;
}

std::string SegmentationObjective::describe() const {
  const SceneOptions& s = segmentation_.scene;
  std::string sizes;
  for (const ImageSize& size : s.sizes) sizes += fmt::format(" {}x{}", size.height, size.width);
  return fmt::format(
      "scene=fit {} fill {} flip {} crop {} expand {} {} scale {}-{} color {} {} {} {} mosaic {} copy-paste {} "
      "sizes{}\n"
      "class_balance={}\ndice={}\nclass_weights={:.5f}\n",
      static_cast<int>(s.fit), s.fill, s.flip, s.crop, s.expand, s.max_expand, s.min_scale, s.max_scale, s.brightness,
      s.contrast, s.saturation, s.hue, s.mosaic, s.copy_paste, sizes, segmentation_.class_balance, segmentation_.dice,
      fmt::join(weights_, " "));
}

at::Tensor SegmentationObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                       int64_t last, ImageSize size, PartSum& parts, double&) const {
  int64_t plane = int64_t{size.height} * size.width;
  const uint8_t* target = batch.masks.data<uint8_t>().data() + first * plane;
  // The weight of all labelled pixels of the batch, so that each counts alike in whichever part it is.
  std::array<int64_t, 256> counts{};
  for (int64_t i = 0; i < (last - first) * plane; ++i) ++counts[target[i]];
  double weight[] = {0};
  for (size_t c = 0; c < weights_.size(); ++c) weight[0] += weights_[c] * static_cast<double>(counts[c]);
  parts.sum(weight);
  auto images = static_cast<double>(batch.images.dim(0));
  PixelLoss loss{weights_, images / std::max(weight[0], 1e-6), segmentation_.dice * images, &parts};
  return LossFunction::apply(outputs[0], target, loss);
}

void SegmentationObjective::begin_validation() { matrix_ = SegmentationMatrix(static_cast<int>(weights_.size())); }

double SegmentationObjective::add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                  int64_t last, ImageSize size) {
  double sum = 0;
  std::vector<float> alike(weights_.size(), 1);
  at::Tensor scores = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor best = scores.permute({0, 2, 3, 1}).argmax(-1).to(at::kByte).contiguous();
  for (int64_t i = first; i < last; ++i) {
    const Sample& sample = data_.validation.samples[static_cast<size_t>(batch.indices[static_cast<size_t>(i)])];
    Tensor truth = read_mask(sample.mask, data_.validation.masks);
    Tensor small = resize_mask(truth, size.height, size.width);
    auto target = small.data<uint8_t>();
    auto labelled =
        static_cast<double>(target.size()) - static_cast<double>(std::count(target.begin(), target.end(), mask_ignore));
    const float* rows = scores.data_ptr<float>() + (i - first) * static_cast<int64_t>(target.size()) * scores.size(1);
    sum += pixel_loss(rows, target.data(), static_cast<int64_t>(target.size()), scores.size(1), {alike}, nullptr) /
           std::max(1.0, labelled);
    Tensor predicted(DType::u8, {size.height, size.width});
    const uint8_t* plane = best.data_ptr<uint8_t>() + (i - first) * int64_t{size.height} * size.width;
    std::copy_n(plane, predicted.bytes(), static_cast<uint8_t*>(predicted.mutable_raw()));
    predicted = resize_mask(predicted, static_cast<int>(truth.dim(0)), static_cast<int>(truth.dim(1)));
    std::lock_guard lock(mutex_);
    matrix_.add(truth.data<uint8_t>(), predicted.data<uint8_t>());
  }
  return sum;
}

}  // namespace hone
