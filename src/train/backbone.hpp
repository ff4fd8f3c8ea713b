#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/preprocess.hpp"

namespace hone {

struct BackboneOptions {
  /// Where to cut: names of values, nodes or outputs, in the order of the feature maps. Empty: found, see below.
  std::vector<std::string> cut;
  std::vector<int> strides;   ///< wanted when `cut` is empty; empty: the last map alone, as classifiers need
  bool optional_strides = false;  ///< take those of `strides` that the model has, at least one
  int height = 0, width = 0;  ///< of the images it is to work on; 0: those of the model
};

/// The part of a trained model that turns images into feature maps.
struct Backbone {
  Graph features;            ///< f32 [N, 3, height, width] to feature maps f32 [N, C, H, W]; weights are f32 constants
  std::vector<int> strides;  ///< of the maps, rounded to powers of two
  std::optional<Preprocess> preprocess;  ///< what the model recorded (hone train does), at the model's own size
  /// Class names and the rows of the linear layer that the model has on the average of the last map; empty when it ends
  /// in another way.
  std::vector<std::string> labels;
  Tensor weights;  ///< f32 [labels, C]
  Tensor bias;     ///< f32 [labels]
};

/// Cuts a model into a backbone. Without names a stride's map is what the first layer of the next stride reads (before
/// the expansion of an inverted residual), the last stride's is the last value before pooling, enlarging or the
/// classifier. Preprocessing nodes of hone train are taken off, quantization is undone (weights become f32 constants
/// that train). Throws Error for a model without an image input or feature maps, for names that it has not (with near
/// ones), for strides that it has not, and when it does not work on images of that size.
Backbone cut_backbone(const Graph& model, const BackboneOptions& options);

/// Gives the classes that the backbone's model knew, by name, their rows of its linear layer. Returns how many there
/// are; none when the layers do not have the same width.
int keep_class_rows(Graph& classifier, const Backbone& backbone, const std::vector<std::string>& classes);

}  // namespace hone
