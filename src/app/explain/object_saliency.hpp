#pragma once
#include <string>
#include <vector>

#include "app/support/predictor.hpp"

namespace hone::app {

/// Which places speak for one object that a detector found: Recipro-CAM (Byun and Lee 2022) turned around. A lone place
/// of the feature map tells a detection head nothing, so each place in turn is set to 0, with soft edges, and what
/// counts is how much of the object's score is lost: the largest score of its class times IoU with its box that is
/// left.
class ObjectSaliency {
 public:
  /// `layer` names a value or node whose output f32 [1, C, H, W] is all that the boxes depend on; empty: the last one
  /// such. Throws Error when there is none.
  ObjectSaliency(const ImageModel& model, const std::string& layer, const PredictorOptions& options);

  /// What the model says of the image; map() is about the last image seen.
  Findings see(const Tensor& image);
  /// f32 [h, w], 0..1, over the whole image.
  Tensor map(const Detection& object);
  const std::string& layer() const { return layer_; }

 private:
  double score_without(const Detection& object, const std::vector<float>& kept);

  const Decoder* decoder_;
  Predictor predictor_, finder_;  ///< finder_ sees boxes with a lower score too
  std::string layer_;
  std::optional<ImageRunner> runner_;  ///< the model with the feature map and the shapes as further outputs
  std::optional<Session> head_;        ///< from these to the outputs of the model
  size_t model_outputs_ = 0;
  std::vector<Tensor> head_inputs_;    ///< of the last image
  Placement placement_;
  Tensor image_;
};

/// The part of a map over a detector's letterboxed input that the image covers; the map itself when the input is
/// stretched.
Tensor cut_to_image(const Tensor& map, const Decoder& decoder, const ImageSize& input, const Placement& placement,
                    const ImageSize& image);

/// The map within the box of an object, in pixels of an image of that size, and falling to 0 around it.
Tensor limited_to(const Tensor& map, const Box& box, const ImageSize& image);

}  // namespace hone::app
