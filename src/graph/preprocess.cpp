#include "graph/preprocess.hpp"

#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

constexpr const char* preprocess_key = "hone.preprocess";
constexpr const char* labels_key = "labels";
constexpr const char* no_image_remedy = "give tensors to hone::Session; some commands take random ones (--random)";

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    size_t end = text.find(separator, begin);
    if (end == std::string::npos) end = text.size();
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

float number(const std::string& text) {
  float value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error("preprocessing", "'" + text + "' is not a number");
  return value;
}

std::array<float, 3> triple(const std::string& text) {
  auto parts = split(text, ',');
  if (parts.size() != 3)
    throw Error("preprocessing", "'" + text + "' has " + std::to_string(parts.size()) + " numbers, expected 3");
  return {number(parts[0]), number(parts[1]), number(parts[2])};
}

std::unique_ptr<Op> op(const char* type, const Attributes& attributes = {}) {
  auto made = make_op("", type);
  set_attributes(*made, attributes);
  return made;
}

Value* per_channel(Graph& graph, const char* name, const std::array<float, 3>& values) {
  return graph.add_constant(name, Tensor::of<float>({1, 3, 1, 1}, {values[0], values[1], values[2]}));
}

}  // namespace

void attach_preprocess(Graph& graph, const Preprocess& preprocess) {
  if (graph.inputs().size() != 1)
    throw Error("graph '" + graph.name + "'",
                "has " + std::to_string(graph.inputs().size()) + " inputs, expected one image input", no_image_remedy);
  Value* network_input = graph.inputs()[0];
  const Shape& shape = network_input->shape();
  bool fits = network_input->dtype() == DType::f32 && shape.ranked && shape.rank() == 4 &&
              (!shape[1].known() || shape[1].value == 3);
  if (!fits)
    throw Error("input '" + network_input->name + "'",
                "is " + to_string(network_input->type) + ", expected f32[N, 3, height, width] for an image",
                no_image_remedy);
  for (int axis : {2, 3}) {
    int64_t wanted = axis == 2 ? preprocess.height : preprocess.width;
    const Dim& dim = shape[static_cast<size_t>(axis)];
    if (wanted <= 0 || (dim.known() && dim.value != wanted))
      throw Error("input '" + network_input->name + "'",
                  fmt::format("is {}, preprocessing resizes to {}x{}", to_string(network_input->type),
                              preprocess.height, preprocess.width), "resize to the size that the network expects");
  }
  Node* first = graph.nodes().empty() ? nullptr : graph.nodes().front().get();
  auto add = [&](std::unique_ptr<Op> made, std::vector<Value*> inputs, const std::string& name) {
    Node* node = first ? graph.insert_before(first, std::move(made), std::move(inputs), name)
                       : graph.add(std::move(made), std::move(inputs), name);
    return node->output();
  };
  Value* image = graph.add_input("image", DType::u8, Shape{shape[0], Dim::named("height"), Dim::named("width"), 3});
  Value* x = add(op("Cast", {{"to", static_cast<int64_t>(DType::f32)}}), {image}, "preprocess/cast");
  if (preprocess.bgr) {
    Value* order = graph.add_constant("preprocess/bgr_order", Tensor::of<int64_t>({3}, {2, 1, 0}));
    x = add(op("Gather", {{"axis", int64_t{3}}}), {x, order}, "preprocess/bgr");
  }
  // Resized while channels are last: ONNX Runtime 1.30 rewrites a Resize that follows a Transpose wrongly when it has
  // axes.
  Value* sizes = graph.add_constant("preprocess/size", Tensor::of<int64_t>({2}, {preprocess.height, preprocess.width}));
  x = add(op("Resize", {{"mode", std::string("linear")},
                        {"coordinate_transformation_mode", std::string("half_pixel")},
                        {"antialias", int64_t{preprocess.antialias}},
                        {"axes", std::vector<int64_t>{1, 2}}}),
          {x, nullptr, nullptr, sizes}, "preprocess/resize");
  x = add(op("Transpose", {{"perm", std::vector<int64_t>{0, 3, 1, 2}}}), {x}, "preprocess/layout");
  x = add(op("Sub"), {x, per_channel(graph, "preprocess/mean", preprocess.mean)}, "preprocess/subtract_mean");
  x = add(op("Div"), {x, per_channel(graph, "preprocess/std", preprocess.std)}, "preprocess/divide_std");
  graph.replace_uses(network_input, x);
  graph.erase(network_input);
  graph.metadata[preprocess_key] = to_string(preprocess);
  graph.infer();
}

std::string to_string(const Preprocess& p) {
  return fmt::format("height={};width={};mean={},{},{};std={},{},{};channels={};antialias={}", p.height, p.width,
                     p.mean[0], p.mean[1], p.mean[2], p.std[0], p.std[1], p.std[2], p.bgr ? "bgr" : "rgb",
                     p.antialias ? 1 : 0);
}

Preprocess parse_preprocess(const std::string& text) {
  Preprocess result;
  for (const std::string& part : split(text, ';')) {
    size_t equals = part.find('=');
    if (equals == std::string::npos) throw Error("preprocessing", "'" + part + "' is not key=value");
    std::string key = part.substr(0, equals), value = part.substr(equals + 1);
    if (key == "height") result.height = static_cast<int64_t>(number(value));
    else if (key == "width") result.width = static_cast<int64_t>(number(value));
    else if (key == "mean") result.mean = triple(value);
    else if (key == "std") result.std = triple(value);
    else if (key == "channels") result.bgr = value == "bgr";
    else if (key == "antialias") result.antialias = value == "1";
  }
  return result;
}

std::optional<Preprocess> attached_preprocess(const Graph& graph) {
  auto it = graph.metadata.find(preprocess_key);
  if (it == graph.metadata.end()) return std::nullopt;
  return parse_preprocess(it->second);
}

bool takes_images(const Graph& graph) {
  if (graph.inputs().size() != 1) return false;
  const Type& type = graph.inputs()[0]->type;
  return type.dtype == DType::u8 && type.shape.rank() == 4 && type.shape[3] == Dim(3);
}

void set_labels(Graph& graph, const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) text += (text.empty() ? "" : "\n") + label;
  graph.metadata[labels_key] = text;
}

std::vector<std::string> get_labels(const std::map<std::string, std::string>& metadata) {
  auto it = metadata.find(labels_key);
  return it == metadata.end() ? std::vector<std::string>{} : split(it->second, '\n');
}

}  // namespace hone
