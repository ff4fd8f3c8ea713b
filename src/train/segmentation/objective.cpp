#include "train/segmentation/objective.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "data/mask_file.hpp"

namespace hone {

namespace {

/// [n, C, h, w] as [n * h * w, C]; no copy of channels-last memory.
at::Tensor pixel_rows(const at::Tensor& scores) { return scores.permute({0, 2, 3, 1}).reshape({-1, scores.size(1)}); }

at::Tensor targets(const uint8_t* classes, int64_t count) {
  return at::from_blob(const_cast<uint8_t*>(classes), {count}, at::kByte).to(at::kLong);
}

/// 1 - the mean over the classes present of 2 |P and T| / (|P| + |T|), with probabilities for P (Milletari et al. 2016).
at::Tensor dice_loss(const at::Tensor& log_probabilities, const at::Tensor& target) {
  at::Tensor valid = target.ne(mask_ignore);
  at::Tensor truth = at::zeros_like(log_probabilities);
  truth.scatter_(1, target.clamp_max(log_probabilities.size(1) - 1).unsqueeze(1), 1.0);
  truth.mul_(valid.unsqueeze(1));
  at::Tensor p = log_probabilities.exp() * valid.unsqueeze(1);
  at::Tensor count = truth.sum(0);
  at::Tensor dice = (2 * (p * truth).sum(0) + 1) / (p.sum(0) + count + 1);
  at::Tensor present = count.gt(0).to(dice.scalar_type());
  return 1 - (dice * present).sum() / present.sum().clamp_min(1);
}

}  // namespace

SegmentationObjective::SegmentationObjective(const Splits& data, const TrainOptions& options,
                                             const SegmentationOptions& segmentation, std::vector<float> weights)
    : data_(data),
      options_(options),
      segmentation_(segmentation),
      weights_(std::move(weights)),
      weight_tensor_(at::tensor(weights_, at::kFloat)),
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
    throw Error("output '" + fixed.outputs()[0].name + "'",
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
  return fmt::format("scene=fit {} fill {} flip {} crop {} expand {} {} scale {}-{} color {} {} {} {} mosaic {} copy-paste {} sizes{}\n"
                     "class_balance={}\ndice={}\nclass_weights={:.5f}\n",
                     static_cast<int>(s.fit), s.fill, s.flip, s.crop, s.expand, s.max_expand, s.min_scale, s.max_scale,
                     s.brightness, s.contrast, s.saturation, s.hue, s.mosaic, s.copy_paste, sizes,
                     segmentation_.class_balance, segmentation_.dice, fmt::join(weights_, " "));
}

at::Tensor SegmentationObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                       int64_t last, ImageSize size, double&) const {
  int64_t plane = int64_t{size.height} * size.width;
  auto masks = batch.masks.data<uint8_t>();
  // The weight of all labelled pixels of the batch, so that each counts alike in whichever part it is.
  std::array<int64_t, 256> counts{};
  for (uint8_t value : masks) ++counts[value];
  double weight = 0;
  for (size_t c = 0; c < weights_.size(); ++c) weight += weights_[c] * static_cast<double>(counts[c]);
  at::Tensor rows = at::log_softmax(pixel_rows(outputs[0]), 1);
  at::Tensor target = targets(masks.data() + first * plane, (last - first) * plane);
  at::Tensor sum = at::nll_loss(rows, target, weight_tensor_, at::Reduction::Sum, mask_ignore);
  at::Tensor loss = sum * (static_cast<double>(batch.images.dim(0)) / std::max(weight, 1e-6));
  if (segmentation_.dice > 0)
    loss = loss + dice_loss(rows, target) * (segmentation_.dice * static_cast<double>(last - first));
  return loss;
}

void SegmentationObjective::begin_validation() { matrix_ = SegmentationMatrix(static_cast<int>(weights_.size())); }

double SegmentationObjective::add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                                  ImageSize size) {
  double sum = 0;
  at::Tensor best = outputs[0].permute({0, 2, 3, 1}).argmax(-1).to(at::kByte).contiguous();
  for (int64_t i = first; i < last; ++i) {
    const Sample& sample = data_.validation.samples[static_cast<size_t>(batch.indices[static_cast<size_t>(i)])];
    Tensor truth = read_mask(sample.mask, data_.validation.masks);
    Tensor small = resize_mask(truth, size.height, size.width);
    at::Tensor rows = at::log_softmax(pixel_rows(outputs[0].narrow(0, i - first, 1)), 1);
    at::Tensor target = targets(small.data<uint8_t>().data(), rows.size(0));
    auto labelled = static_cast<double>(target.ne(mask_ignore).sum().item<int64_t>());
    sum += at::nll_loss(rows, target, {}, at::Reduction::Sum, mask_ignore).item<float>() / std::max(1.0, labelled);
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
