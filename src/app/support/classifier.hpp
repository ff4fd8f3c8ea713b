#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/support/options.hpp"
#include "graph/graph.hpp"
#include "run/session.hpp"

namespace hone::app {

struct ClassifierOptions {
  DeviceOptions device;
  int batch = 1;  ///< images an inference, where the model leaves it open
  bool multi_label = false;  ///< each class has a probability of its own
};

/// An image classifier: decoded images of any size in, class probabilities out.
///
/// The model is cut behind its Resize node. The part before it runs in the threads that decode the images, once for
/// each image size; the part behind it, nearly all of the work, is compiled once. Results are those of the whole model.
class Classifier {
 public:
  /// `model` takes images (u8 [N, height, width, 3]); see load_classifier(). Throws Error when its first output is not
  /// one row of scores an image, or the labels are not as many as the classes.
  Classifier(const Graph& model, std::vector<std::string> labels, const ClassifierOptions& options);

  int classes() const { return classes_; }
  /// Class names; empty when the model has none.
  const std::vector<std::string>& labels() const { return labels_; }
  std::string label(int index) const;  ///< the name, else "class 17"
  int batch() const { return batch_; }

  using OnScores = std::function<void(size_t index, std::span<const float> probabilities)>;
  using OnUnreadable = std::function<void(size_t index, const std::string& reason)>;
  /// The image of an index, u8 [H, W, 3]; called by several threads. Throws Error for one that cannot be read.
  using LoadImage = std::function<Tensor(size_t index)>;
  /// Loads `count` images on worker threads while earlier ones are classified, and calls back in their order. Throws
  /// Interrupted on Ctrl-C.
  void classify(size_t count, const LoadImage& load_image, const OnScores& on_scores,
                const OnUnreadable& on_unreadable);

 private:
  class Pipeline;
  void flush(std::span<const size_t> indices, const OnScores& on_scores);

  std::shared_ptr<PlanSource> prepare_;  ///< nullptr: images go to the network as they are
  std::optional<Session> network_;
  std::vector<std::string> labels_;
  Tensor input_;  ///< of the network: one batch
  std::vector<Tensor> outputs_;
  int classes_ = 0, batch_ = 1, workers_ = 1;
  bool multi_label_ = false, sigmoids_inside_ = false;
};

/// Reads a model file and prepares it for images: a plain model gets the preprocessing of `flags` in front.
struct LoadedModel {
  Graph graph;
  std::vector<std::string> labels;
};
LoadedModel load_image_model(const std::filesystem::path& path, const ImageFlags& flags);

}  // namespace hone::app
