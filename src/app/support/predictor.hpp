#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/support/detectors/decoder.hpp"
#include "app/support/options.hpp"
#include "data/dataset.hpp"
#include "data/metrics/detection.hpp"
#include "devices/devices.hpp"
#include "run/session.hpp"

namespace hone::app {

/// What a model file is for, by `hone.task` in its metadata, else by its outputs: `detections` f32 [M, 7] or a raw head
/// that is known is a detector, f32 [N, C, H, W] a segmenter, all others classifiers.
Task task_of(const Graph& model);

/// A model that is ready for decoded images.
struct ImageModel {
  Graph graph;  ///< takes images, but for a raw head
  Task task = Task::classification;
  std::vector<std::string> labels;   ///< of the options, the file, or the known model; may be empty
  const Decoder* decoder = nullptr;  ///< of a raw head; its graph takes network_input()
};

/// Reads a model of any task. A plain classifier or segmenter gets its preprocessing in front: that of `flags`, or what
/// the known segmenter was trained with. `decoder` names the reading of a raw head; empty: known by the outputs.
ImageModel open_image_model(const std::filesystem::path& file, const ImageFlags& flags,
                            const std::string& decoder = {});

/// What a model says of one image. Only the field of its task is filled.
struct Findings {
  std::vector<float> probabilities;  ///< classification: of all classes, sum 1; multi-label: of each class on its own
  std::vector<Detection> objects;    ///< detection: by falling score; boxes in pixels of the image, clipped to it
  Tensor classes;                    ///< segmentation: u8 [H, W], the class of each pixel of the image
};

/// The number of pixels of each class, by falling share of the image; those that do not occur are left out.
std::vector<std::pair<int, double>> class_shares(const Tensor& classes);

/// Runs a model on images of any size, one at a time. The model is cut behind its preprocessing where it can be, so
/// that nearly all of it is compiled once, whatever sizes come.
class ImageRunner {
 public:
  /// `decoder`: of a raw head, whose input rule is used; else nullptr. Throws Error when the batch is fixed and not 1.
  ImageRunner(const Graph& graph, const Decoder* decoder, const DeviceOptions& device);
  /// The outputs for an image u8 [H, W, 3]; `placement` gets where it lies in the input of a raw head.
  std::vector<Tensor> run(const Tensor& image, Placement& placement);
  ImageSize input_size() const { return size_; }  ///< of a raw head

 private:
  bool load_split(const Graph& graph, const DeviceOptions& device);

  const Decoder* decoder_;
  ImageSize size_;
  std::optional<Session> prepare_, network_;
  bool takes_shape_ = false;  ///< the network wants the sizes of the image too
};

struct PredictorOptions {
  DeviceOptions device;
  std::optional<double> score;  ///< least score of a detection (0.3), least probability of a multi-label class (0.5)
};

/// What a model of any task says of images of any size.
class Predictor {
 public:
  /// Throws Error when the model's outputs are not those of its task, and as ImageRunner does.
  Predictor(const ImageModel& model, const PredictorOptions& options);

  Task task() const { return task_; }
  const std::vector<std::string>& labels() const { return labels_; }
  std::string label(int index) const;  ///< the name, else "class 17"
  double score() const { return score_; }
  /// Of an image u8 [H, W, 3].
  Findings predict(const Tensor& image);
  /// Makes findings of the outputs for an image; predict() does this with what it ran.
  Findings read(const std::vector<Tensor>& outputs, const Placement& placement, const Tensor& image) const;
  /// Wall time of the last predict(), preprocessing included, without decoding of boxes.
  double seconds() const { return seconds_; }

 private:
  std::vector<Detection> objects_of(const std::vector<Tensor>& outputs, const Placement& placement,
                                    const Tensor& image) const;

  Task task_;
  std::vector<std::string> labels_, output_names_;
  const Decoder* decoder_;
  ImageRunner runner_;
  double score_ = 0, seconds_ = 0;
};

}  // namespace hone::app
