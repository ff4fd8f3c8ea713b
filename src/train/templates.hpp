#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace hone {

/// The size of a model that a template builds.
struct TemplateOptions {
  int classes = 0;
  double width = 1.0;  ///< multiplies the channels of every layer
  int height = 128;    ///< of the input, in pixels
  int width_px = 128;
  double dropout = 0.2;    ///< before the classifier; 0: no Dropout node
  bool zero_gamma = true;  ///< each residual branch starts at 0 (Goyal et al. 2017), which speeds up the first epochs
  uint64_t seed = 0;       ///< of the initial weights
  /// Takes the place of the template's own first layers: f32 [N, 3, H, W] to feature maps of increasing stride, each
  /// with half the size of the one before, such as strides 8, 16 and 32. nullptr: the template's own, with random
  /// weights.
  const Graph* backbone = nullptr;
};

/// A model architecture with random weights: f32 [N, 3, height, width] to logits f32 [N, classes] of a classifier or
/// the raw outputs of another task.
struct Template {
  const char* name;
  const char* summary;
  Task task;
  Graph (*build)(const TemplateOptions&);
};

/// All templates, in the order of help texts.
const std::vector<Template>& templates();
/// Builds a template by name; throws Error that lists the names when there is none, and on options out of range.
Graph build_template(const std::string& name, const TemplateOptions& options);

}  // namespace hone
