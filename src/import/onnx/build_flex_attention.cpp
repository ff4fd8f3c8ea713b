#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/graph_builder.hpp"

// FlexAttention of ai.onnx.preview: y = prob_mod(softmax(mask_mod(score_mod(scale q k')))) v, its graphs in place.
namespace hone::onnx {

namespace {

const char* const broken = "the file is broken; export the model again";

/// The size of axis i, which has to be known.
int64_t known_size(const DraftNode& node, const Value* value, size_t i) {
  const Shape& shape = value->shape();
  if (!shape.ranked || shape.rank() != 4)
    node.fail(fmt::format("has an input of shape {}, expected [batch, heads, steps, size]", to_string(shape)), broken);
  if (!shape[i].known())
    node.fail(fmt::format("has an input of shape {} whose heads and sizes are not known", to_string(shape)),
              "export the model with fixed numbers of heads");
  return shape[i].value;
}

/// k or v with each head as often as heads of q share it.
Value* repeated(const DraftNode& node, Normalizer& normalizer, Value* x, int64_t heads, const std::string& what) {
  int64_t own = known_size(node, x, 1);
  if (own == heads) return x;
  if (own < 1 || heads % own != 0)
    node.fail(fmt::format("has {} heads of q, which cannot share {} of {}", heads, own, what), broken);
  auto list = [&](const char* name, const std::vector<int64_t>& values) {
    return normalizer.integers(node, (what + name).c_str(), values);
  };
  Value* apart = normalizer.add(node, (what + "_apart").c_str(), "Unsqueeze", {x, list("_axis", {2})});
  Value* spread =
      normalizer.add(node, (what + "_spread").c_str(), "Expand", {apart, list("_times", {1, 1, heads / own, 1, 1})});
  return normalizer.add(node, (what + "_heads").c_str(), "Reshape",
                        {spread, list("_shape", {0, heads, -1, known_size(node, x, 3)})});
}

}  // namespace

Value* GraphBuilder::inline_body(const NodeDef& def, const std::string& attribute, Value* input) {
  auto it = def.graphs.find(attribute);
  if (it == def.graphs.end()) return input;
  const GraphDef& body = *it->second;
  if (body.inputs.size() != 1 || body.outputs.size() != 1)
    throw Error(def.place(), fmt::format("graph '{}' has {} inputs and {} outputs, expected one of each", attribute,
                                         body.inputs.size(), body.outputs.size()), broken);
  ValuesByName values;
  for (const std::string& name : body.captured) values[name] = values_.at(name);
  values[body.inputs[0].name] = input;
  GraphBuilder builder(context_, call_, graph_, std::move(values), prefix_ + def.name + "/" + attribute + "/");
  builder.add_nodes(body, fmt::format("graph '{}' of {}", attribute, def.place()));
  return builder.output(body.outputs[0].name);
}

void GraphBuilder::add_flex_attention(const NodeDef& def) {
  DraftNode node = draft(def);
  if (node.inputs.size() != 3 || !node.inputs[0] || !node.inputs[1] || !node.inputs[2])
    node.fail(fmt::format("has {} inputs, expected q, k and v", node.inputs.size()), broken);
  Value *q = node.inputs[0], *k = node.inputs[1], *v = node.inputs[2];
  int64_t heads = known_size(node, q, 1);
  auto scale = node.take<float>("scale");
  auto precision = node.take<int64_t>("softmax_precision");
  DType type = q->dtype();
  double factor = scale ? static_cast<double>(*scale) : 1 / std::sqrt(static_cast<double>(known_size(node, q, 3)));
  auto add = [&](const char* what, const char* op, std::vector<Value*> inputs, const Attributes& attributes = {}) {
    return normalizer_.add(node, what, op, std::move(inputs), attributes);
  };
  auto cast = [&](const char* what, Value* x, DType to) {
    return x->dtype() == to ? x : add(what, "Cast", {x}, {{"to", static_cast<int64_t>(to)}});
  };
  Value* keys = add("keys", "Transpose", {repeated(node, normalizer_, k, heads, "k")},
                    {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  Value* size = normalizer_.constant(node, "scale", Tensor::scalar(factor).cast(type));
  Value* scores = add("scores", "Mul", {add("products", "MatMul", {q, keys}), size});
  scores = inline_body(def, "mask_mod", inline_body(def, "score_mod", scores));
  DType inner = precision ? static_cast<DType>(*precision) : type;
  if (!is_float(inner)) node.fail("softmax_precision is not the number of a floating-point type", broken);
  Value* shares = add("shares", "Softmax", {cast("wide", scores, inner)}, {{"axis", int64_t{-1}}});
  shares = inline_body(def, "prob_mod", cast("narrow", shares, type));
  name_outputs(def, {add("y", "MatMul", {shares, repeated(node, normalizer_, v, heads, "v")})});
}

bool is_flex_attention(const NodeDef& node) {
  return node.domain == "ai.onnx.preview" && node.op == "FlexAttention";
}

}  // namespace hone::onnx
