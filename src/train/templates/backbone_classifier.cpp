#include "train/templates/backbone_classifier.hpp"

#include <span>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/insert.hpp"
#include "train/templates/builder.hpp"

namespace hone {

Graph build_backbone_classifier(const TemplateOptions& options) {
  auto fail = [](const std::string& problem) { throw Error("backbone classifier", problem); };
  if (!options.backbone || options.backbone->inputs().size() != 1 || options.backbone->outputs().empty())
    fail("needs a backbone with one input and feature maps as outputs");
  if (options.classes < 2) fail(fmt::format("{} classes, expected at least 2", options.classes));
  Graph graph;
  graph.name = "backbone_classifier";
  Value* input = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, options.height, options.width_px});
  Value* map = insert_graph(graph, nullptr, *options.backbone, std::span(&input, 1), "backbone/").back();
  if (map->shape().rank() != 4 || !map->shape()[1].known())
    fail(fmt::format("got {} from the backbone, expected a feature map f32[N, C, H, W]", to_string(map->type)));
  ModelBuilder build(graph, options.seed);
  graph.add_output("logits", build.classifier(map, options.classes, options.dropout, "classifier"));
  graph.remove_dead();
  return graph;
}

}  // namespace hone
