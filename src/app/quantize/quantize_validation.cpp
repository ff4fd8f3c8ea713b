#include "app/quantize/quantize_validation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "app/evaluation/evaluate.hpp"
#include "app/evaluation/evaluate_detection.hpp"
#include "base/error.hpp"
#include "data/read.hpp"
#include "graph/preprocess.hpp"

namespace hone::app {

namespace {

// A folder of images without class folders or annotation.
void refuse_plain_images(const std::filesystem::path& data) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(data, ignored)) return;
  for (const auto& entry : std::filesystem::directory_iterator(data, ignored))
    if (entry.is_directory(ignored)) return;
  if (is_class_folder(data, "the model is a classifier"))
    throw Error("'" + data.string() + "'", "the images have no labels",
                "expected a folder for each class, a CSV file with file and label, or another labelled data set");
}

/// Classes that are called by numbers are those of a model that has no names. False where one is not.
bool number_labels(Dataset& data) {
  std::vector<int> numbers;
  for (const std::string& name : data.classes) {
    int number = -1;
    auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem != std::errc() || end != name.data() + name.size() || number < 0) return false;
    numbers.push_back(number);
  }
  for (Sample& sample : data.samples)
    if (auto label = static_cast<size_t>(sample.label); label < numbers.size()) sample.label = numbers[label];
  return true;
}

class ClassifierValidation : public Validation {
 public:
  ClassifierValidation(const Graph& model, const std::filesystem::path& data, const DataFlags& images,
                       const ImageFlags& flags, const DeviceOptions& device)
      : flags_(flags), device_(device), labels_(flags.class_names(model)) {
    Classifier classifier(for_images(model), labels_, {device_});
    std::error_code ignored;
    std::filesystem::path own = data / "val";
    bool has_own = !images.given() && std::filesystem::is_directory(own, ignored);
    if (!has_own && !images.given()) refuse_plain_images(data);
    data_ = read_labelled_images(has_own ? own : data, classifier.labels(), images, no_progress());
    if (labels_.empty() && !number_labels(data_))
      throw Error("'" + data.string() + "'",
                  fmt::format("the model has no class names to match '{}' with", data_.classes.front()),
                  "say with --labels FILE what the classes of the model are called, or use class numbers in the data");
    for (const Sample& sample : data_.samples)
      if (sample.label < 0 || sample.label >= classifier.classes())
        throw Error("'" + sample.path.string() + "'",
                    fmt::format("has label {}, the model has classes 0 to {}", sample.label, classifier.classes() - 1),
                    "give images of the classes that the model was trained for (--data or --eval)");
  }

  Measured measure_shares(const Graph& graph, Progress& progress) const override {
    Classifier classifier(for_images(graph), labels_, {device_});
    Evaluation evaluation = evaluate(classifier, data_, progress);
    const std::vector<Prediction>& all = evaluation.predictions;
    Measured result{evaluation.top1(), {}};
    for (size_t share = 0; share < sample_shares && all.size() >= 2 * sample_shares; ++share) {
      int64_t correct = 0, count = 0;
      for (size_t i = share; i < all.size(); i += sample_shares) correct += all[i].label == all[i].predicted, ++count;
      result.shares.push_back(static_cast<double>(correct) / static_cast<double>(count));
    }
    return result;
  }
  const char* metric() const override { return "top-1"; }
  size_t images() const override { return data_.samples.size(); }

 private:
  Graph for_images(const Graph& graph) const {
    Graph result = graph.clone();
    if (!takes_images(result)) attach_preprocess(result, flags_.preprocess(result));
    return result;
  }

  const ImageFlags& flags_;
  DeviceOptions device_;
  std::vector<std::string> labels_;
  Dataset data_;
};

Dataset read_annotated(const std::filesystem::path& data, const DataFlags& images, Task task) {
  DatasetOptions read;
  read.format = images.format;
  read.task = task;
  Dataset dataset = read_dataset(data, read);
  choose_samples(dataset, data, images);
  print_problems(dataset);
  return dataset;
}

class DetectorValidation : public Validation {
 public:
  DetectorValidation(const Graph& model, const Decoder& decoder, const std::filesystem::path& data,
                     const DataFlags& images, const ImageFlags& flags, const DeviceOptions& device)
      : decoder_(decoder), device_(device), data_(read_annotated(data, images, Task::detection)) {
    map_detector_classes(data_, flags.class_names(model), decoder);
  }

  Measured measure_shares(const Graph& graph, Progress& progress) const override {
    constexpr double least_score = 0.01;  // what is below changes the third decimal of mAP and takes most of the time
    DetectionEvaluation evaluation = evaluate_detection(graph, decoder_, data_, device_, least_score, progress);
    return {std::max(0.0, evaluation.coco.ap), evaluation.shares};
  }
  const char* metric() const override { return "mAP"; }
  size_t images() const override { return data_.samples.size(); }

 private:
  const Decoder& decoder_;
  DeviceOptions device_;
  Dataset data_;
};

class SegmenterValidation : public Validation {
 public:
  SegmenterValidation(const Graph& model, const std::filesystem::path& data, const DataFlags& images,
                      const ImageFlags& flags, const DeviceOptions& device)
      : rule_(segmenter_input(model, flags)), device_(device), data_(read_annotated(data, images, Task::segmentation)) {
    std::vector<std::string> names = flags.class_names(model);
    if (!names.empty())
      map_classes(data_, names);
    else if (static_cast<int>(data_.classes.size()) > segmenter_classes(model))
      throw Error("data", fmt::format("has {} classes, the model {}", data_.classes.size(), segmenter_classes(model)),
                  "say which is which with --labels");
  }

  Measured measure_shares(const Graph& graph, Progress& progress) const override {
    SegmentationEvaluation evaluation = evaluate_segmentation(graph, rule_, data_, device_, progress);
    Measured result{evaluation.matrix.mean_iou(), {}};
    for (const SegmentationMatrix& share : evaluation.shares) result.shares.push_back(share.mean_iou());
    return result;
  }
  const char* metric() const override { return "mIoU"; }
  size_t images() const override { return data_.samples.size(); }

 private:
  InputRule rule_;
  DeviceOptions device_;
  Dataset data_;
};

}  // namespace

double Validation::measure(const Graph& graph, Progress& progress) {
  before_ = std::exchange(last_, measure_shares(graph, progress));
  return last_.value;
}

double Validation::sampling_error() const {
  size_t count = std::min(last_.shares.size(), before_.shares.size());
  if (count < 2) return 0;
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) {
    double difference = before_.shares[i] - last_.shares[i];
    sum += difference, squares += difference * difference;
  }
  auto n = static_cast<double>(count);
  return std::sqrt(std::max(0.0, squares - sum * sum / n) / (n - 1) / n);
}

std::string assumed_preprocessing(const Graph& model, const ImageFlags& flags) {
  bool known = takes_images(model) || find_decoder("", model) || segmenter_classes(model) > 0;
  if (known || !(flags.mean + flags.std + flags.scale + flags.channels).empty()) return "";
  return "images enter the model as RGB from 0 to 255; --mean, --std and --channels say otherwise";
}

std::unique_ptr<Validation> make_validation(const Graph& model, const std::filesystem::path& data,
                                            const DataFlags& images, const ImageFlags& flags,
                                            const DeviceOptions& device) {
  if (const Decoder* decoder = find_decoder("", model))
    return std::make_unique<DetectorValidation>(model, *decoder, data, images, flags, device);
  if (segmenter_classes(model) > 0) return std::make_unique<SegmenterValidation>(model, data, images, flags, device);
  return std::make_unique<ClassifierValidation>(model, data, images, flags, device);
}

}  // namespace hone::app
