#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/detection/head.hpp"
#include "train/templates.hpp"
#include "train/templates/builder.hpp"

namespace hone {

enum class Activation { none, relu, relu6, swish };

struct LayerSpec {
  int64_t out = 0;
  int64_t kernel = 1, stride = 1, group = 1, dilation = 1;
  int64_t pad = -1;  ///< -1: keeps the size at stride 1
};

/// What detectors are made of, appended to a graph. Tensors are [N, C, H, W].
class DetectionLayers {
 public:
  DetectionLayers(Graph& graph, uint64_t seed) : graph_(graph), build_(graph, seed), rng_(seed, 1) {}

  /// The weights of a convolution on `in` channels, normal with variance 2 / fan-out, or with the deviation given.
  Value* weights(const std::string& name, int64_t in, const LayerSpec& spec, double deviation = 0);
  Value* conv(Value* x, const LayerSpec& spec, Value* weights, Value* bias, const std::string& name);
  /// Convolution with bias, without normalization.
  Value* plain(Value* x, const LayerSpec& spec, const std::string& name);
  /// Convolution, batch normalization, activation; with `shared` weights of another such layer.
  Value* block(Value* x, const LayerSpec& spec, Activation activation, const std::string& name,
               Value* shared = nullptr);
  /// Depthwise kernel x kernel, then 1x1, each with batch normalization and activation.
  Value* separable(Value* x, const LayerSpec& spec, Activation activation, const std::string& name);
  /// A map of half the size: 1x1 to `hidden` channels, then separable to `out`.
  Value* halved(Value* x, int64_t hidden, int64_t out, Activation activation, const std::string& name);
  Value* activate(Value* x, Activation activation, const std::string& name);
  Value* max_pool(Value* x, int64_t kernel, int64_t stride, bool ceil, const std::string& name);
  Value* twice(Value* x, const std::string& name);  ///< twice the height and width, nearest
  Value* add(Value* a, Value* b, const std::string& name) { return build_.add(a, b, name); }
  Value* concat(std::vector<Value*> parts, int64_t axis, const std::string& name);
  Value* scalar(const std::string& name, float value) { return graph_.add_constant(name, Tensor::scalar(value)); }
  Value* constant(const std::string& name, const std::vector<float>& values);
  Value* node(const char* type, std::vector<Value*> inputs, const Attributes& attributes, const std::string& name);
  /// [N, per_cell * columns, H, W] as rows [N, H * W * per_cell, columns].
  Value* rows(Value* x, int64_t columns, const std::string& name);

 private:
  Graph& graph_;
  ModelBuilder build_;
  Rng rng_;
};

/// The feature maps of TemplateOptions::backbone, else of MobileNetV2 (blocks 6 and 13 and the last layer), under
/// "backbone/". Each map has half the size of the one before (rounded up). Throws Error for a backbone that has not.
std::vector<Value*> add_backbone(Graph& graph, Value* input, const TemplateOptions& options);
/// Pixels from cell to cell of a map.
float step_of(const Value* map, const TemplateOptions& options);

/// Throws Error naming the template for options out of range: no class, an input smaller than `least` pixels or
/// (multiple above 1) with sides that are no multiple.
void check_detector(const char* name, const TemplateOptions& options, int least, int multiple);

/// The last layer's biases that give each class a probability of 0.01 at the start (Lin et al. 2017, section 4.1).
std::vector<float> prior_bias(int64_t anchors, int64_t classes);

/// Names the outputs and records the head.
void finish_head(Graph& graph, const DetectorHead& head, Value* class_logits, Value* boxes,
                 Value* objectness = nullptr);
Value* detector_input(Graph& graph, const TemplateOptions& options);

}  // namespace hone
