#pragma once
#include <string>
#include <vector>

#include "train/templates.hpp"
#include "train/templates/builder.hpp"

namespace hone {

/// Convolution, batch normalization, Relu.
Value* conv_block(ModelBuilder& build, Value* x, const ConvSpec& spec, const std::string& name);
/// Depthwise kernel x kernel, then 1x1, each with batch normalization and Relu.
Value* separable_block(ModelBuilder& build, Value* x, const ConvSpec& spec, const std::string& name);

/// Throws Error naming the template for options out of range: fewer than 2 or more than 254 classes, a width outside
/// [0.1, 4], sides below 32 pixels or (4 halvings) no multiples of 16.
void check_segmenter(const char* name, const TemplateOptions& options);
Value* segmenter_input(Graph& graph, const TemplateOptions& options);
/// 1x1 to the classes and up to the size of the network's input: output `scores`.
void add_scores(Graph& graph, ModelBuilder& build, Value* x, const TemplateOptions& options);

/// A feature map and how many pixels of the input its cells are apart.
struct FeatureMap {
  Value* value = nullptr;
  int64_t stride = 1;
};
/// The maps of TemplateOptions::backbone under "backbone/", those with a stride up to 16 whose size is the input's
/// divided by it. Throws Error when there is none.
std::vector<FeatureMap> add_backbone_maps(Graph& graph, Value* input, const TemplateOptions& options);

}  // namespace hone
