#include "train/detection/objective.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

void check_objects(const Dataset& set, int64_t classes) {
  for (const Sample& sample : set.samples)
    for (const Annotation& object : sample.objects)
      if (object.label < 0 || object.label >= classes)
        throw Error(sample.path.string(),
                    fmt::format("an object has label {}, the data has classes 0 to {}", object.label, classes - 1));
}

void check_data(const Splits& data, const DetectorHead& head) {
  auto classes = static_cast<int64_t>(data.train.classes.size());
  if (classes != head.classes)
    throw Error("detector", fmt::format("was built for {} classes, the data has {}", head.classes, classes),
                "build it with as many classes as the data has");
  check_objects(data.train, classes);
  check_objects(data.validation, classes);
  bool any = std::any_of(data.train.samples.begin(), data.train.samples.end(), [](const Sample& sample) {
    return std::any_of(sample.objects.begin(), sample.objects.end(),
                       [](const Annotation& o) { return !o.crowd && !o.difficult; });
  });
  if (!any)
    throw Error("training data", fmt::format("none of the {} images has an object to learn", data.train.samples.size()),
                "check the annotation with hone data check");
}

/// A pyramid adds maps that are exactly twice as large as others.
void check_sizes(const DetectorHead& head, const TrainOptions& options, const SceneOptions& scene) {
  constexpr int multiple = 32;
  if (head.kind == HeadKind::ssd) return;
  if (options.start_size < 1)
    throw Error(
        "training options",
        fmt::format("start_size is {}, which gives sizes that are no multiples of {}", options.start_size, multiple),
        "leave it at 1 for a detector with a feature pyramid");
  for (const ImageSize& size : scene.sizes)
    if (size.height % multiple || size.width % multiple)
      throw Error("training options",
                  fmt::format("the size {} x {} is no multiple of {}", size.height, size.width, multiple));
}

/// What a network says of one image, for SimOTA.
class CostTable {
 public:
  CostTable(const DetectorHead& head, const std::vector<Anchor>& anchors, const RawOutputs& raw)
      : classes_(static_cast<size_t>(head.classes)), scores_(head_scores(head, raw)) {
    for (size_t i = 0; i < anchors.size(); ++i) boxes_.push_back(decode_box(head.kind, anchors[i], raw.boxes + 4 * i));
    nothing_.resize(anchors.size());
    for (size_t i = 0; i < scores_.size(); ++i) {
      scores_[i] = std::clamp(std::sqrt(scores_[i]), 1e-6f, 1 - 1e-6f);
      nothing_[i / classes_] -= std::log(1 - scores_[i]);
    }
  }
  Predictions predictions() const {
    return {boxes_, [this](size_t anchor, int label) {
              float p = scores_[anchor * classes_ + static_cast<size_t>(label)];
              return nothing_[anchor] + std::log(1 - p) - std::log(p);
            }};
  }

 private:
  size_t classes_;
  std::vector<float> scores_, nothing_;
  std::vector<Corners> boxes_;
};

RawOutputs raw_of(const std::vector<at::Tensor>& outputs, int64_t image) {
  auto at = [&](size_t i) { return outputs[i].data_ptr<float>() + image * outputs[i].size(1) * outputs[i].size(2); };
  return {at(0), at(1), outputs.size() > 2 ? at(2) : nullptr};
}

std::vector<at::Tensor> detached(const std::vector<at::Tensor>& outputs) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& output : outputs) result.push_back(output.detach().contiguous());
  return result;
}

}  // namespace

DetectionObjective::DetectionObjective(const Graph& model, const Splits& data, const TrainOptions& options,
                                       const DetectionOptions& detection)
    : head_(detector_head(model)), data_(data), preprocess_(options.preprocess), free_size_(options.start_size < 1),
      options_(detection) {
  check_sizes(head_, options, detection.scene);
  for (const ImageSize& size : detection.scene.sizes)
    free_size_ = free_size_ || size.height != head_.height || size.width != head_.width;
  if (!(detection.plain_end >= 0 && detection.plain_end <= 1))
    throw Error("training options", fmt::format("plain_end is {}, expected 0 to 1", detection.plain_end));
  if (detection.scene.fit != Fit::stretch)
    throw Error("training options", "the images are letterboxed, the shipped detector stretches them",
                "use Fit::stretch");
  validate(detection.scene);
  check_data(data, head_);
  plain_ = detection.plain_end >= 1;
}

Graph DetectionObjective::training_graph(const Graph& model) const {
  return free_image_input(model, preprocess_, free_size_);
}

void DetectionObjective::configure(LoaderOptions& loader, bool training) const {
  loader.scene = training ? options_.scene : SceneOptions{.fit = options_.scene.fit};
  if (plain_) loader.scene->mosaic = loader.scene->mix_up = loader.scene->copy_paste = 0;
}

bool DetectionObjective::start_epoch(double done) {
  bool plain = done >= 1 - options_.plain_end, changes = plain != plain_;
  plain_ = plain;
  const SceneOptions& scene = options_.scene;
  return changes && scene.mosaic + scene.mix_up + scene.copy_paste > 0;
}

std::string DetectionObjective::describe() const {
  const SceneOptions& s = options_.scene;
  std::string text = fmt::format("plain_end={}\nfit={}\nflip={}\ncrop={}\nexpand={}\nmax_expand={}\nscale={} to {}\n",
                                 options_.plain_end, static_cast<int>(s.fit), s.flip, s.crop, s.expand, s.max_expand,
                                 s.min_scale, s.max_scale);
  text += fmt::format(
      "brightness={}\ncontrast={}\nsaturation={}\nhue={}\nmosaic={}\nmix_up={}\ncopy_paste={}\nmin_visible={}\nmin_"
      "side={}\n",
      s.brightness, s.contrast, s.saturation, s.hue, s.mosaic, s.mix_up, s.copy_paste, s.min_visible, s.min_side);
  for (const ImageSize& size : s.sizes) text += fmt::format("size={}x{}\n", size.height, size.width);
  return text +
         fmt::format("nms_iou={}\nscore_threshold={}\n", options_.decoding.nms_iou, options_.decoding.score_threshold);
}

const DetectionObjective::Sized& DetectionObjective::sized(ImageSize size, int64_t anchors) const {
  std::lock_guard lock(mutex_);
  std::unique_ptr<Sized>& entry = sized_[{size.height, size.width}];
  if (!entry) {
    Sized made{head_.resized(size.height, size.width), {}, {}};
    made.anchors = anchors_of(made.head);
    made.table = at::empty({static_cast<int64_t>(made.anchors.size()), 4}, at::kFloat);
    float* row = made.table.data_ptr<float>();
    for (const Anchor& a : made.anchors) *row++ = a.x, *row++ = a.y, *row++ = a.width, *row++ = a.height;
    entry = std::make_unique<Sized>(std::move(made));
  }
  if (static_cast<int64_t>(entry->anchors.size()) != anchors)
    throw Error("detector",
                fmt::format("gives {} rows for {} x {} pixels, its head describes {}", anchors, size.height, size.width,
                            entry->anchors.size()),
                "train it at the size it was built for");
  return *entry;
}

at::Tensor DetectionObjective::loss(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first,
                                    int64_t last, ImageSize size, PartSum& parts, double&) const {
  const Sized& sized = this->sized(size, outputs[0].size(1));
  std::vector<at::Tensor> values = detached(outputs);
  std::vector<MatchObjects> objects;
  std::vector<Assignment> assignments;
  for (int64_t i = first; i < last; ++i) {
    const MatchObjects& wanted = objects.emplace_back(match_objects(batch.objects[static_cast<size_t>(i)]));
    if (head_.kind == HeadKind::ssd) {
      assignments.push_back(match_ssd(sized.anchors, wanted));
    } else if (head_.kind == HeadKind::atss) {
      assignments.push_back(match_atss(sized.head, sized.anchors, wanted));
    } else {
      CostTable costs(sized.head, sized.anchors, raw_of(values, i - first));
      assignments.push_back(match_sim_ota(sized.anchors, wanted, costs.predictions()));
    }
  }
  LossInput input{sized.head, sized.table, outputs[0], outputs[1], outputs.size() > 2 ? outputs[2] : at::Tensor(),
                  objects,    assignments, parts};
  switch (head_.kind) {
    case HeadKind::ssd: return ssd_loss(input);
    case HeadKind::atss: return atss_loss(input);
    case HeadKind::yolox: return yolox_loss(input);
  }
  return {};
}

void DetectionObjective::begin_validation() {
  found_.clear();
  seen_.clear();
}

double DetectionObjective::add(const std::vector<at::Tensor>& outputs, const Batch& batch, int64_t first, int64_t last,
                               ImageSize size) {
  double unused = 0;
  double total = loss(outputs, batch, first, last, size, PartSum::alone(), unused).item<float>();
  const Sized& sized = this->sized(size, outputs[0].size(1));
  std::vector<at::Tensor> values = detached(outputs);
  for (int64_t i = first; i < last; ++i) {
    auto place = static_cast<size_t>(i);
    int index = batch.indices[place];
    const Sample& sample = data_.validation.samples[static_cast<size_t>(index)];
    const std::optional<Placement>& placement = batch.placements[place];
    std::vector<DecodedBox> boxes =
        decode_detections(sized.head, sized.anchors, raw_of(values, i - first), options_.decoding);
    std::lock_guard lock(mutex_);
    if (!seen_.insert(index).second) continue;
    for (const DecodedBox& one : boxes) {
      Box box{one.box.left, one.box.top, one.box.width(), one.box.height()};
      box = clipped(box, size.width, size.height);
      if (placement) box = placement->undo(box);
      if (sample.size.width > 0) box = clipped(box, sample.size.width, sample.size.height);
      found_.push_back({index, one.label, one.score, box, {}});
    }
  }
  return total;
}

double DetectionObjective::metric() {
  // In the order of images, so that equal scores do not depend on which thread was first.
  std::stable_sort(found_.begin(), found_.end(),
                   [](const Detection& a, const Detection& b) { return a.image < b.image; });
  Dataset truth;
  truth.classes = data_.validation.classes;
  truth.samples.resize(data_.validation.samples.size());
  for (int index : seen_)
    truth.samples[static_cast<size_t>(index)].objects = data_.validation.samples[static_cast<size_t>(index)].objects;
  return std::max(0.0, voc_scores(truth, found_).map_area);
}

}  // namespace hone
