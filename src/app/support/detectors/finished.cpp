// Nodes around a detector: the image as the network's input, boxes in pixels of the image.
#include <array>
#include <span>

#include "app/support/detectors/decoder.hpp"
#include "base/error.hpp"
#include "graph/insert.hpp"

namespace hone::app {

namespace {

constexpr int64_t most_per_class = 300;  // as suppress()
constexpr int64_t most_candidates = 500;

/// An image and how it came into the network.
struct Placed {
  Value* input = nullptr;  ///< f32 [1, 3, height, width]
  Value* scale = nullptr;  ///< f32 [4] or scalar: pixels of the image for one of the input
  Value* size = nullptr;   ///< f32 [4]: width, height, width, height of the image
};

/// f32 [n]: entries of the shape of an image [1, height, width, 3].
Value* sides_of(NodeWriter& nodes, Value* image, const std::string& name, const std::vector<int64_t>& order) {
  Value* picked =
      nodes.op("Gather", name, {nodes.op("Shape", name + ".shape", {image}), nodes.ints(name + ".order", order)},
               {{"axis", int64_t{0}}});
  return nodes.op("Cast", name + ".float", {picked}, {{"to", static_cast<int64_t>(DType::f32)}});
}

/// How large a letterboxed image is in the input, i64 [2]: as network_input() rounds; `scale` gets f32 [1].
Value* letterboxed_sides(NodeWriter& nodes, Value* image, Value* wanted, Value*& scale) {
  Value* sides = sides_of(nodes, image, "image_sides", {1, 2});
  scale = nodes.op("ReduceMin", "scale", {nodes.op("Div", "scales", {wanted, sides}), nodes.ints("scale.axes", {0})},
                   {{"keepdims", int64_t{1}}});
  Value* exact =
      nodes.op("Floor", "rounded",
               {nodes.op("Add", "half_up", {nodes.op("Mul", "scaled", {sides, scale}), nodes.number("half", 0.5)})});
  Value* inside = nodes.op("Min", "at_most", {nodes.op("Max", "at_least", {exact, nodes.number("one", 1)}), wanted});
  return nodes.op("Cast", "resized_sides", {inside}, {{"to", static_cast<int64_t>(DType::i64)}});
}

/// The image as network_input() makes it, rounded to 8 bits too: a network may be sensitive to the last of them.
Placed add_input(NodeWriter& nodes, Value* image, const ImageSize& size, const InputRule& rule) {
  bool letterbox = rule.fit != Fit::stretch;
  Placed placed;
  placed.size = sides_of(nodes, image, "image_size", {2, 1, 2, 1});
  Value *fixed = nodes.ints("input_sides", {size.height, size.width}), *target = fixed;
  if (letterbox) {
    Value* scale = nullptr;
    target = letterboxed_sides(
        nodes, image,
        nodes.floats("input_sides.float", {2}, {static_cast<float>(size.height), static_cast<float>(size.width)}),
        scale);
    placed.scale = nodes.op("Reciprocal", "unscale", {scale});
  } else {
    auto width = static_cast<float>(size.width), height = static_cast<float>(size.height);
    placed.scale =
        nodes.op("Div", "unscale", {placed.size, nodes.floats("input_size", {4}, {width, height, width, height})});
  }
  Value* x = nodes.op("Cast", "float", {image}, {{"to", static_cast<int64_t>(DType::f32)}});
  x = nodes.op("Resize", "resize", {x, nullptr, nullptr, target},
               {{"mode", std::string("linear")},
                {"coordinate_transformation_mode", std::string("half_pixel")},
                {"axes", std::vector<int64_t>{1, 2}}});
  x = nodes.op("Round", "eight_bits", {x});
  if (letterbox) {
    Value* pads = nodes.op("Concat", "pads",
                           {nodes.ints("pads.before", {0, 0, 0, 0, 0}), nodes.op("Sub", "missing", {fixed, target}),
                            nodes.ints("pads.channels", {0})},
                           {{"axis", int64_t{0}}});
    x = nodes.op("Pad", "fill", {x, pads, nodes.number("fill.value", rule.fill)});
    x = nodes.op("Reshape", "fixed", {x, nodes.ints("fixed.shape", {1, size.height, size.width, 3})});
  }
  x = nodes.op("Transpose", "layout", {x}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  if (rule.bgr) x = nodes.op("Gather", "bgr", {x, nodes.ints("bgr.order", {2, 1, 0})}, {{"axis", int64_t{1}}});
  auto triple = [&](const char* name, const std::array<float, 3>& v) {
    return nodes.floats(name, {1, 3, 1, 1}, {v[0], v[1], v[2]});
  };
  if (rule.mean != std::array<float, 3>{0, 0, 0}) x = nodes.op("Sub", "subtract_mean", {x, triple("mean", rule.mean)});
  if (rule.std != std::array<float, 3>{1, 1, 1}) x = nodes.op("Div", "divide_std", {x, triple("std", rule.std)});
  placed.input = x;
  return placed;
}

/// The candidates with the best scores: suppression looks at each of them for each class.
Candidates best_candidates(NodeWriter& nodes, const Candidates& all) {
  const Dim& count = all.boxes->shape()[1];
  if (!count.known() || count.value <= most_candidates) return all;
  Value* best =
      nodes.op("ReduceMax", "best_score", {all.scores, nodes.ints("best_score.axes", {2})}, {{"keepdims", int64_t{0}}});
  Value* chosen = nodes.op("TopK", "candidates", {best, nodes.ints("candidates.count", {most_candidates})},
                           {{"axis", int64_t{1}}}, 2, 1);
  Value* places = nodes.op("Unsqueeze", "places", {chosen, nodes.ints("places.axes", {2})});
  auto rows = [&](const char* name, Value* of) {
    return nodes.op("GatherND", name, {of, places}, {{"batch_dims", int64_t{1}}});
  };
  return {rows("candidate_boxes", all.boxes), rows("candidate_scores", all.scores)};
}

Value* add_detections(NodeWriter& nodes, const Candidates& candidates, const Placed& placed, const Decoder& decoder,
                      double least_score) {
  Candidates all = best_candidates(nodes, candidates);
  Value* scores = nodes.op("Transpose", "class_scores", {all.scores}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  Value* kept = nodes.op("NonMaxSuppression", "suppress",
                         {all.boxes, scores, nodes.ints("max_per_class", {most_per_class}),
                          nodes.floats("nms_iou", {1}, {static_cast<float>(decoder.nms_iou)}),
                          nodes.floats("least_score", {1}, {static_cast<float>(least_score)})});
  Value* numbers = nodes.op("Cast", "image_and_class", {nodes.part("image_class", kept, 1, 0, 2)},
                            {{"to", static_cast<int64_t>(DType::f32)}});
  Value* score = nodes.op("Unsqueeze", "score",
                          {nodes.op("GatherND", "kept_scores", {scores, kept}), nodes.ints("score.axes", {1})});
  Value* of_box =
      nodes.op("Gather", "image_box", {kept, nodes.ints("image_box.columns", {0, 2})}, {{"axis", int64_t{1}}});
  Value* box = nodes.op("Mul", "pixels", {nodes.op("GatherND", "kept_boxes", {all.boxes, of_box}), placed.scale});
  box = nodes.op("Min", "inside", {nodes.op("Max", "not_before", {box, nodes.number("zero", 0)}), placed.size});
  return nodes.op("Concat", "detections", {numbers, score, box}, {{"axis", int64_t{1}}});
}

ImageSize input_size(const Graph& model) {
  const Value* input = model.inputs().size() == 1 ? model.inputs()[0] : nullptr;
  const Shape* shape = input ? &input->shape() : nullptr;
  if (!shape || shape->rank() != 4 || (*shape)[1] != Dim(3) || !(*shape)[2].known() || !(*shape)[3].known() ||
      input->dtype() != DType::f32)
    throw Error("graph '" + model.name + "'", "is no plain image model",
                "expected one input f32 [N, 3, height, width] of fixed size");
  return {static_cast<int>((*shape)[2].value), static_cast<int>((*shape)[3].value)};
}

}  // namespace

void add_cells(std::vector<float>& places, std::vector<float>& strides, int rows, int columns, int stride,
               double shift) {
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x) {
      places.push_back(static_cast<float>((x + shift) * stride));
      places.push_back(static_cast<float>((y + shift) * stride));
      strides.push_back(static_cast<float>(stride));
    }
}

Value* boxes_around(NodeWriter& nodes, Value* center, Value* size) {
  std::string name = center->name;
  name = name.substr(name.find('/') + 1);
  Value* half = nodes.op("Mul", name + ".half", {size, nodes.number(name + ".half.factor", 0.5)});
  return nodes.op(
      "Concat", name + ".boxes",
      {nodes.op("Sub", name + ".left_top", {center, half}), nodes.op("Add", name + ".right_bottom", {center, half})},
      {{"axis", int64_t{2}}});
}

Graph finished(const Graph& model, const Decoder& decoder, double least_score) {
  if (!decoder.add_nodes)
    throw Error("decoder '" + std::string(decoder.name) + "'", "is for models that are finished already");
  ImageSize size = input_size(model);
  Graph graph;
  graph.name = model.name;
  graph.metadata = model.metadata;
  NodeWriter nodes(graph, "detector/");
  Value* image = graph.add_input("image", DType::u8, Shape{1, Dim::named("height"), Dim::named("width"), 3});
  Placed placed = add_input(nodes, image, size, decoder.input);
  std::vector<Value*> outputs = insert_graph(graph, nullptr, model, std::span(&placed.input, 1), "");
  graph.infer();
  Candidates candidates = decoder.add_nodes(nodes, outputs, size);
  graph.infer();
  graph.add_output("detections", add_detections(nodes, candidates, placed, decoder, least_score));
  graph.metadata["hone.task"] = name_of(Task::detection);
  graph.infer();
  return graph;
}

}  // namespace hone::app
