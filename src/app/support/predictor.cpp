#include "app/support/predictor.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "app/evaluation/evaluate_detection.hpp"
#include "app/support/segmenter.hpp"
#include "app/support/subgraph.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "data/mask_file.hpp"
#include "import/import.hpp"
#include "run/scores.hpp"

namespace hone::app {

namespace {

const std::vector<std::string>& voc_classes() {
  static const std::vector<std::string> names = {
      "background", "aeroplane", "bicycle",      "bird",  "boat",         "bottle", "bus",
      "car",        "cat",       "chair",        "cow",   "dining table", "dog",    "horse",
      "motorbike",  "person",    "potted plant", "sheep", "sofa",         "train",  "tv"};
  return names;
}

const std::vector<std::string>& camvid_classes() {
  static const std::vector<std::string> names = {"sky",  "building", "pole", "road",       "pavement",  "tree",
                                                 "sign", "fence",    "car",  "pedestrian", "bicyclist", "unlabelled"};
  return names;
}

bool has_detections(const Graph& model) {
  if (model.outputs().size() != 1) return false;
  const Value* value = model.outputs()[0].value;
  return value->dtype() == DType::f32 && value->shape().rank() == 2 && value->shape()[1] == Dim(7) &&
         !value->shape()[0].known();
}

/// The node that takes the value alone, with nothing else but constants; nullptr when it has other uses or is an
/// output. What Shape makes of an input does not count and is added to `shapes`.
const Node* only_user(const Graph& model, const Value* value, std::vector<const Value*>& shapes) {
  const Node* only = nullptr;
  for (const Use& use : value->uses()) {
    if (value->is_input() && use.node->is("Shape")) shapes.push_back(use.node->output());
    else if (only) return nullptr;
    else only = use.node;
  }
  if (!only || only->outputs().size() != 1 || model.is_output(value)) return nullptr;
  for (const Value* input : only->inputs())
    if (input && input != value && !input->is_constant()) return nullptr;
  return only;
}

/// The end of the preprocessing: the first Resize that the image reaches through a chain of single uses, and what
/// follows it element by element, so that it is computed by the same kernels as in the whole model (a last bit that
/// differs can grow in an INT8 network); nullptr when there is none. `shapes` gets what Shape makes of the image.
const Value* prepared_image(const Graph& model, std::vector<const Value*>& shapes) {
  const Value* value = model.inputs()[0];
  bool resized = false;
  while (const Node* node = only_user(model, value, shapes)) {
    if (resized && !node->is("Transpose") && !node->is("QuantizeLinear") && !node->has(Trait::elementwise)) break;
    resized = resized || node->is("Resize");
    value = node->output();
  }
  return resized ? value : nullptr;
}

}  // namespace

Task task_of(const Graph& model) {
  if (auto found = model.metadata.find("hone.task"); found != model.metadata.end()) return parse_task(found->second);
  if (has_detections(model) || (!takes_images(model) && find_decoder("", model))) return Task::detection;
  return segmenter_classes(model) > 0 ? Task::segmentation : Task::classification;
}

ImageModel open_image_model(const std::filesystem::path& file, const ImageFlags& flags, const std::string& decoder) {
  ImageModel model;
  model.graph = import_model(file);
  model.task = task_of(model.graph);
  model.labels = flags.class_names(model.graph);
  if (!decoder.empty()) model.task = Task::detection;
  if (model.task == Task::anomaly || model.task == Task::instance_segmentation)
    throw Error("'" + file.string() + "'",
                fmt::format("is a model for {}, which this command does not know", name_of(model.task)));
  if (flags.ready_for_images(model.graph)) return model;
  if (model.task == Task::detection) {
    model.decoder = find_decoder(decoder, model.graph);
    if (!model.decoder || model.decoder->finished)
      throw Error("'" + file.string() + "'", "is a detector that takes no images and whose raw outputs are not known",
                  "name them with --decoder");
    if (model.labels.empty()) model.labels = model.decoder->classes();
    return model;
  }
  Preprocess preprocess;
  if (std::optional<InputRule> rule = flags.given().empty() ? segmenter_rule(model.graph) : std::nullopt) {
    const Shape& shape = model.graph.inputs()[0]->shape();
    preprocess = {.height = shape[2].value,
                  .width = shape[3].value,
                  .mean = rule->mean,
                  .std = rule->std,
                  .bgr = rule->bgr,
                  .antialias = false};
    if (model.labels.empty()) model.labels = segmenter_classes(model.graph) == 21 ? voc_classes() : camvid_classes();
  } else {
    if (flags.given().empty())
      warn(
          "the model has no preprocessing inside and none was given: it gets RGB pixels 0..255 (see --mean, --std, "
          "--channels)");
    preprocess = flags.preprocess(model.graph);
  }
  attach_preprocess(model.graph, preprocess);
  return model;
}

std::vector<std::pair<int, double>> class_shares(const Tensor& classes) {
  std::array<int64_t, 256> count{};
  for (uint8_t value : classes.data<uint8_t>()) ++count[value];
  std::vector<std::pair<int, double>> shares;
  for (int c = 0; c < 256; ++c)
    if (int64_t n = count[static_cast<size_t>(c)])
      shares.emplace_back(c, static_cast<double>(n) / static_cast<double>(classes.size()));
  std::stable_sort(shares.begin(), shares.end(), [](auto& a, auto& b) { return a.second > b.second; });
  return shares;
}

ImageRunner::ImageRunner(const Graph& graph, const Decoder* decoder, const DeviceOptions& device) : decoder_(decoder) {
  if (graph.outputs().empty() || graph.inputs().size() != 1)
    throw Error("graph '" + graph.name + "'", fmt::format("has {} inputs and {} outputs, expected one image",
                                                          graph.inputs().size(), graph.outputs().size()));
  const Shape& input = graph.inputs()[0]->shape();
  std::string place = "input '" + graph.inputs()[0]->name + "'";
  if (input.rank() == 4 && input[0].known() && input[0].value != 1)
    throw Error(place, fmt::format("takes {} images at a time", input[0].value),
                "make it one with hone convert --batch 1");
  if (decoder) {
    if (input.rank() != 4 || !input[2].known() || !input[3].known())
      throw Error(place, "leaves the image size open", "fix it in the model");
    size_ = {static_cast<int>(input[2].value), static_cast<int>(input[3].value)};
  }
  if (decoder || !load_split(graph, device)) network_.emplace(load(graph, device));
}

bool ImageRunner::load_split(const Graph& graph, const DeviceOptions& device) {
  std::vector<const Value*> from;  // what Shape makes of the image
  const Value* prepared = prepared_image(graph, from);
  if (!prepared || from.size() > 1) return false;
  takes_shape_ = from.size() == 1;
  from.insert(from.begin(), prepared);
  Graph network = subgraph(graph, from, graph.outputs());
  if (network.inputs().size() != from.size()) return false;
  DeviceOptions single = device;
  single.threads = 1;
  GraphOutput output{"prepared", const_cast<Value*>(prepared)};
  const Value* image = graph.inputs()[0];
  prepare_.emplace(load(subgraph(graph, std::span(&image, 1), std::span(&output, 1)), single));
  network_.emplace(load(std::move(network), device));
  return true;
}

std::vector<Tensor> ImageRunner::run(const Tensor& image, Placement& placement) {
  require_image(image, "image");
  if (decoder_) {
    Tensor input = network_input(image, size_, decoder_->input, placement);
    return network_->run(std::span(&input, 1));
  }
  Tensor input = image.reshaped({1, image.dim(0), image.dim(1), 3});
  if (!prepare_) return network_->run(std::span(&input, 1));
  std::vector<Tensor> inputs = prepare_->run(std::span(&input, 1));
  if (takes_shape_) inputs.push_back(Tensor::of<int64_t>({4}, input.dims()));
  return network_->run(inputs);
}

Predictor::Predictor(const ImageModel& model, const PredictorOptions& options)
    : task_(model.task),
      labels_(model.labels),
      decoder_(model.decoder),
      runner_(model.graph, model.decoder, options.device),
      score_(options.score.value_or(model.task == Task::detection ? 0.3 : 0.5)) {
  const Graph& graph = model.graph;
  for (const GraphOutput& output : graph.outputs()) output_names_.push_back(output.name);
  int classes = 0;
  if (task_ == Task::classification || task_ == Task::multi_label)
    classes = class_count({output_names_[0], graph.outputs()[0].value->dtype(), graph.outputs()[0].value->shape()});
  else if (task_ == Task::segmentation)
    classes = segmenter_classes(graph);
  else if (!decoder_ && !has_detections(graph))
    throw Error("output '" + output_names_[0] + "'", "is " + to_string(graph.outputs()[0].value->type) +
                                                         ", expected the detections f32 [M, 7] of a detector");
  if (classes > 0 && !labels_.empty() && static_cast<int>(labels_.size()) != classes)
    throw Error("labels", fmt::format("{} class names for a model with {} classes", labels_.size(), classes),
                "give a file with one name a class to --labels");
}

std::string Predictor::label(int index) const {
  return index >= 0 && index < static_cast<int>(labels_.size()) ? labels_[static_cast<size_t>(index)]
                                                                : fmt::format("class {}", index);
}

std::vector<Detection> Predictor::objects_of(const std::vector<Tensor>& outputs, const Placement& placement,
                                             const Tensor& image) const {
  std::vector<Detection> objects;
  auto width = static_cast<double>(image.dim(1)), height = static_cast<double>(image.dim(0));
  if (decoder_) {
    Outputs named;
    for (size_t i = 0; i < outputs.size(); ++i) named.emplace_back(output_names_[i], outputs[i]);
    objects = suppress(decoder_->decode(named, runner_.input_size(), score_), decoder_->nms_iou);
    for (Detection& one : objects) one.box = placement.undo(one.box);
  } else {
    auto rows = outputs.at(0).data<float>();
    for (size_t i = 0; i + 7 <= rows.size(); i += 7)
      if (rows[i + 2] >= score_)
        objects.push_back({0,
                           static_cast<int>(rows[i + 1]),
                           rows[i + 2],
                           {rows[i + 3], rows[i + 4], rows[i + 5] - rows[i + 3], rows[i + 6] - rows[i + 4]},
                           {}});
    std::stable_sort(objects.begin(), objects.end(),
                     [](const Detection& a, const Detection& b) { return a.score > b.score; });
  }
  for (Detection& one : objects) one.box = clipped(one.box, width, height);
  return objects;
}

Findings Predictor::predict(const Tensor& image) {
  Placement placement;
  auto begin = std::chrono::steady_clock::now();
  std::vector<Tensor> outputs = runner_.run(image, placement);
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return read(outputs, placement, image);
}

Findings Predictor::read(const std::vector<Tensor>& outputs, const Placement& placement, const Tensor& image) const {
  Findings findings;
  if (task_ == Task::detection) {
    findings.objects = objects_of(outputs, placement, image);
  } else if (task_ == Task::segmentation) {
    findings.classes =
        resize_mask(best_classes(outputs.at(0)), static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)));
  } else if (task_ == Task::classification) {
    findings.probabilities = to_probabilities(outputs.at(0).data<float>());
  } else {
    for (float x : outputs.at(0).data<float>()) findings.probabilities.push_back(sigmoid(x));
  }
  return findings;
}

}  // namespace hone::app
