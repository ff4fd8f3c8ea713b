#pragma once
#include <optional>
#include <string>

#include "app/explain/object_saliency.hpp"
#include "app/support/predictor.hpp"

namespace hone::app {

/// How the places in an image that matter are found; all from the graph as it ships.
enum class SaliencyMethod {
  /// Class activation map (Zhou et al. 2016): channels of the feature map weighted with the classifier's weights of the
  /// class,
  /// where the head is global pooling and one linear layer; their mean otherwise. Detectors: the class's largest score
  /// at each
  /// place of the head. Segmenters: the class's probability.
  activation,
  /// Eigen-CAM (Muhammad and Yeasin 2020): the feature map's first principal component (no class is asked).
  eigen_cam,
  /// Recipro-CAM (Byun and Lee 2022): the score of the class when all but one place (with soft edges) of the feature
  /// map is 0.
  /// Detectors: how much of an object's score is lost when a place is 0.
  recipro_cam
};
const char* name_of(SaliencyMethod method);  ///< "activation", "eigen-cam", "recipro-cam"
/// Throws Error with near names.
SaliencyMethod parse_saliency_method(const std::string& name);

/// Maps of a model with one method.
class Saliency {
 public:
  /// `layer` names a value or node whose output f32 [N, C, H, W] is the feature map; empty: the last one in front of
  /// the global pooling, for detectors the one with the most channels at the coarsest usual stride. Throws Error when
  /// there is none such, or the method does not work for the task.
  Saliency(const ImageModel& model, SaliencyMethod method, const std::string& layer, const PredictorOptions& options);

  /// What the model says of the image; map() is about the last image seen.
  Findings see(const Tensor& image);
  /// The class that see() found first: the most probable one, that of the surest object, of the largest part; nullopt:
  /// none.
  std::optional<int> first_class(const Findings& findings) const;
  /// f32 [h, w], 0..1, over the whole image: how much each place speaks for the class.
  Tensor map(int label);
  /// The same for one object of a detector: Recipro-CAM (see ObjectSaliency), or the map of its class within its box.
  Tensor map(const Detection& object);

  const Predictor& predictor() const { return predictor_; }
  const std::string& layer() const { return layer_; }  ///< the name of the feature map used; empty: none is needed

 private:
  const Value* choose_layer(const Graph& graph, const std::string& layer) const;
  Tensor activation(int label);
  Tensor recipro_cam(int label);

  Task task_;
  SaliencyMethod method_;
  const Decoder* decoder_;
  Predictor predictor_;
  std::string layer_, head_layout_;
  std::optional<ObjectSaliency> objects_;  ///< Recipro-CAM of a detector; then nothing below is used
  std::optional<ImageRunner> runner_;  ///< the model with the feature map as a further output
  std::optional<Session> head_;        ///< from the feature map to the first output
  int64_t head_batch_ = 1;             ///< feature maps at a time
  Tensor weights_;                     ///< f32 [classes, C] of a linear head, or not defined
  size_t model_outputs_ = 0;
  std::vector<Tensor> outputs_;        ///< of the last image
  Placement placement_;
  ImageSize image_;
};

// The computations, for tests.
/// Sum over channels of f32 [1, C, H, W] with the weights (empty: the mean): f32 [H, W].
Tensor weighted_channels(const Tensor& feature, std::span<const float> weights);
/// First principal component of f32 [1, C, H, W], not centered, its sum not negative: f32 [H, W].
Tensor principal_map(const Tensor& feature);
/// Divided by the largest value, negative ones 0; `shift`: the smallest value becomes 0 first. All 0 when nothing
/// stands out.
Tensor normalized(const Tensor& map, bool shift);
/// Weights f32 [classes, C] when nodes from the value on are a global pooling, reshaping and one linear layer at most;
/// not defined for any other head.
Tensor linear_head(const Graph& graph, const Value* feature);

}  // namespace hone::app
