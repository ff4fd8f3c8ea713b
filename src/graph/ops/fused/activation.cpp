#include <algorithm>
#include <cmath>

#include "graph/ops/fused/fused.hpp"

namespace hone::ops {

namespace {

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

struct Entry {
  const char* name;
  float (*value)(float x, float alpha, float beta);
};

// The visible list of activations that a kernel can apply to its result.
const Entry entries[] = {
    {"Relu", [](float x, float, float) { return x > 0 ? x : 0.0f; }},
    {"Clip", [](float x, float low, float high) { return std::min(std::max(x, low), high); }},
    {"LeakyRelu", [](float x, float alpha, float) { return x >= 0 ? x : alpha * x; }},
    {"Sigmoid", [](float x, float, float) { return sigmoid(x); }},
    {"HardSigmoid", [](float x, float alpha, float beta) { return std::clamp(alpha * x + beta, 0.0f, 1.0f); }},
    {"HardSwish", [](float x, float, float) { return x * std::clamp(x / 6 + 0.5f, 0.0f, 1.0f); }},
    {"Swish", [](float x, float alpha, float) { return x * sigmoid(alpha * x); }},
    {"Gelu", [](float x, float, float) { return 0.5f * x * (1 + std::erf(x * 0.70710678f)); }},
    {"Tanh", [](float x, float, float) { return std::tanh(x); }},
    {"Elu", [](float x, float alpha, float) { return x >= 0 ? x : alpha * std::expm1(x); }},
    {"Exp", [](float x, float, float) { return std::exp(x); }},
    {"Sqrt", [](float x, float, float) { return std::sqrt(x); }},
    {"Abs", [](float x, float, float) { return std::abs(x); }},
    {"Neg", [](float x, float, float) { return -x; }},
    {"Reciprocal", [](float x, float, float) { return 1 / x; }},
    {"Mish", [](float x, float, float) { return x * std::tanh(x > 20 ? x : std::log1p(std::exp(x))); }},
};

const Entry* find(const std::string& name) {
  for (const Entry& entry : entries)
    if (name == entry.name) return &entry;
  return nullptr;
}

/// The value of an optional scalar constant input.
bool bound(const Node& node, size_t index, float fallback, float& value) {
  const Value* input = node.input(index);
  value = fallback;
  if (!input) return true;
  if (!input->is_constant() || input->constant().size() != 1) return false;
  value = static_cast<float>(input->constant().scalar_as_double());
  return true;
}

}  // namespace

float apply(const FusedActivation& activation, float x) {
  const Entry* entry = find(activation.name);
  return entry ? entry->value(x, activation.alpha, activation.beta) : x;
}

bool fusable_activation(const Node& node, FusedActivation& activation) {
  std::string type = node.op().type();
  if (!find(type) || !node.input(0) || node.input(0)->dtype() != DType::f32) return false;
  activation = {type, 0, 0};
  if (type == "Clip")
    return bound(node, 1, -INFINITY, activation.alpha) && bound(node, 2, INFINITY, activation.beta);
  Attributes attributes = get_attributes(node.op());
  if (type == "Gelu") {
    auto it = attributes.find("approximate");
    return it == attributes.end() || std::get<std::string>(it->second) == "none";
  }
  auto read = [&](const char* name, float& value) {
    auto it = attributes.find(name);
    if (it != attributes.end() && std::holds_alternative<float>(it->second)) value = std::get<float>(it->second);
  };
  read("alpha", activation.alpha);
  read("beta", activation.beta);
  return true;
}

}  // namespace hone::ops
