// The nodes behind the raw outputs of a detector: scores, decoding, suppression, pixels of the image.
#include <algorithm>
#include <span>

#include "base/error.hpp"
#include "data/dataset.hpp"
#include "graph/insert.hpp"
#include "graph/node_writer.hpp"
#include "train/detection/decode.hpp"

namespace hone {

namespace {

using Tail = NodeWriter;

/// [N, anchors]: the largest of columns [from, to).
Value* add_largest(Tail& tail, Value* logits, int64_t from, int64_t to) {
  Value* largest = nullptr;
  if (to - from <= 8) {  // reducing short rows one by one takes longer than comparing a few columns
    std::vector<Value*> columns;
    for (int64_t c = from; c < to; ++c) columns.push_back(tail.part("column", logits, 2, c, c + 1));
    largest = columns.size() == 1 ? columns[0] : tail.op("Max", "largest", columns);
  } else {
    if (from > 0) logits = tail.part("classes", logits, 2, from, to);
    largest = tail.op("ReduceMax", "largest", {logits, tail.ints("largest.axes", {2})}, {{"keepdims", int64_t{1}}});
  }
  return largest;
}

/// [N, anchors]: see rank_of() in decode.cpp.
Value* add_rank(Tail& tail, const DetectorHead& head, const std::vector<Value*>& outputs) {
  Value* rank = add_largest(tail, outputs[0], head.columns() - head.classes, head.columns());
  if (head.kind == HeadKind::ssd) rank = tail.op("Sub", "odds", {rank, tail.part("background", outputs[0], 2, 0, 1)});
  if (head.kind == HeadKind::yolox)
    rank = tail.op("Mul", "present",
                   {tail.op("Sigmoid", "largest_score", {rank}), tail.op("Sigmoid", "objectness", {outputs[2]})});
  return tail.op("Squeeze", "rank", {rank, tail.ints("rank.axes", {2})});
}

/// Scores [N, k, classes] of the rows of the outputs that were chosen.
Value* add_scores(Tail& tail, const DetectorHead& head, const std::vector<Value*>& rows) {
  if (head.kind == HeadKind::ssd)
    return tail.part("scores", tail.op("Softmax", "softmax", {rows[0]}, {{"axis", int64_t{2}}}), 2, 1, head.columns());
  Value* scores = tail.op("Sigmoid", "scores", {rows[0]});
  return head.kind == HeadKind::yolox
             ? tail.op("Mul", "scores_if_present", {scores, tail.op("Sigmoid", "presence", {rows[2]})})
             : scores;
}

/// Boxes [N, k, 4] as left, top, right, bottom relative to the network's input, from raw numbers and anchors (x, y, w,
/// h, relative too), both [N, k, 4].
Value* add_decoding(Tail& tail, const DetectorHead& head, Value* raw, Value* anchors) {
  Value* most = tail.number("max_exponent", max_box_exponent);
  auto grown = [&](const char* name, Value* exponent) {
    return tail.op("Exp", name, {tail.op("Min", "exponent", {exponent, most})});
  };
  Value* center = tail.part("anchor_center", anchors, 2, 0, 2);
  Value* size = tail.part("anchor_size", anchors, 2, 2, 4);
  Value *first, *second;
  if (head.kind == HeadKind::atss) {
    Value* half = tail.op("Mul", "half_anchor", {size, tail.number("half", 0.5)});
    auto distance = [&](int64_t from) {
      return tail.op("Mul", "distance", {half, grown("grown", tail.part("distances", raw, 2, from, from + 2))});
    };
    first = tail.op("Sub", "left_top", {center, distance(0)});
    second = tail.op("Add", "right_bottom", {center, distance(2)});
  } else {
    auto [center_scale, size_scale] = box_variances(head.kind);
    Value* offset =
        tail.op("Mul", "offset", {tail.part("offsets", raw, 2, 0, 2), tail.number("offset_scale", center_scale)});
    Value* exponent =
        tail.op("Mul", "log_size", {tail.part("log_sizes", raw, 2, 2, 4), tail.number("size_scale", size_scale)});
    center = tail.op("Add", "center", {center, tail.op("Mul", "moved", {offset, size})});
    Value* half = tail.op("Mul", "half_size",
                          {tail.op("Mul", "size", {size, grown("grown", exponent)}), tail.number("half", 0.5)});
    first = tail.op("Sub", "left_top", {center, half});
    second = tail.op("Add", "right_bottom", {center, half});
  }
  return tail.op("Concat", "boxes", {first, second}, {{"axis", int64_t{2}}});
}

Value* add_anchors(Tail& tail, const DetectorHead& head) {
  std::vector<float> values;
  auto width = static_cast<float>(head.width), height = static_cast<float>(head.height);
  for (const Anchor& a : anchors_of(head))
    values.insert(values.end(), {a.x / width, a.y / height, a.width / width, a.height / height});
  return tail.floats("anchors", {head.anchor_count(), 4}, values);
}

/// f32 [4]: width, height, width, height of the image given.
Value* add_image_size(Tail& tail, Value* image) {
  Value* sizes = tail.op("Shape", "image_shape", {image});
  Value* picked =
      tail.op("Gather", "image_size", {sizes, tail.ints("image_size.order", {2, 1, 2, 1})}, {{"axis", int64_t{0}}});
  return tail.op("Cast", "image_size.float", {picked}, {{"to", static_cast<int64_t>(DType::f32)}});
}

Value* add_detections(Tail& tail, const DetectorHead& head, const DetectorOptions& options,
                      const std::vector<Value*>& outputs, Value* image) {
  // The anchors worth looking at: all that follows works on these few.
  Value* count = tail.ints("candidates.count", {std::min<int64_t>(options.candidates, head.anchor_count())});
  Value* chosen = tail.op("TopK", "candidates", {add_rank(tail, head, outputs), count}, {{"axis", int64_t{1}}}, 2, 1);
  Value* places = tail.op("Unsqueeze", "places", {chosen, tail.ints("places.axes", {2})});
  std::vector<Value*> rows;
  for (Value* output : outputs)
    rows.push_back(tail.op("GatherND", "candidate_rows", {output, places}, {{"batch_dims", int64_t{1}}}));
  Value* anchors = tail.op("Gather", "candidate_anchors", {add_anchors(tail, head), chosen}, {{"axis", int64_t{0}}});
  Value* boxes = add_decoding(tail, head, rows[1], anchors);
  Value* scores = add_scores(tail, head, rows);
  // Relative to the image, boxes overlap as they do in pixels: both directions are scaled alike for all boxes.
  scores = tail.op("Transpose", "class_scores", {scores}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  Value* kept = tail.op("NonMaxSuppression", "suppress",
                        {boxes, scores, tail.ints("max_per_class", {options.max_per_class}),
                         tail.floats("nms_iou", {1}, {static_cast<float>(options.nms_iou)}),
                         tail.floats("score_threshold", {1}, {static_cast<float>(options.score_threshold)})});
  Value* numbers = tail.op("Cast", "image_and_class", {tail.part("image_class", kept, 1, 0, 2)},
                           {{"to", static_cast<int64_t>(DType::f32)}});
  Value* score =
      tail.op("Unsqueeze", "score", {tail.op("GatherND", "kept_scores", {scores, kept}), tail.ints("score.axes", {1})});
  Value* of_box =
      tail.op("Gather", "image_box", {kept, tail.ints("image_box.columns", {0, 2})}, {{"axis", int64_t{1}}});
  Value* box = tail.op("GatherND", "kept_boxes", {boxes, of_box});
  box = tail.op("Clip", "clipped", {box, tail.number("zero", 0), tail.number("one", 1)});
  box = tail.op("Mul", "pixels", {box, add_image_size(tail, image)});
  return tail.op("Concat", "detections", {numbers, score, box}, {{"axis", int64_t{1}}});
}

}  // namespace

Graph finish_detector(const Graph& trained, const Preprocess& preprocess, const DetectorOptions& options) {
  DetectorHead head = detector_head(trained);
  if (preprocess.height != head.height || preprocess.width != head.width)
    throw Error("detector", "the preprocessing gives " + std::to_string(preprocess.height) + " x " +
                                std::to_string(preprocess.width) + " pixels, it was built for " +
                                std::to_string(head.height) + " x " + std::to_string(head.width));
  Graph graph;
  graph.name = trained.name;
  graph.metadata = trained.metadata;
  Value* input = graph.add_input(trained.inputs()[0]->name, DType::f32, trained.inputs()[0]->shape());
  std::vector<Value*> raw = insert_graph(graph, nullptr, trained, std::span(&input, 1), "");
  attach_preprocess(graph, preprocess);
  Tail tail(graph, "detector/");
  graph.add_output("detections", add_detections(tail, head, options, raw, graph.inputs()[0]));
  graph.metadata["hone.task"] = name_of(Task::detection);
  return graph;
}

}  // namespace hone
