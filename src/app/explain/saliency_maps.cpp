// The computations of saliency.hpp that need no model, and what of the head is linear.
#include <algorithm>
#include <cmath>
#include <set>

#include "app/explain/saliency.hpp"
#include "app/support/subgraph.hpp"
#include "graph/op.hpp"

namespace hone::app {

namespace {

int64_t integer(const Node& node, const char* name, int64_t otherwise) {
  Attributes attributes = get_attributes(node.op());
  auto found = attributes.find(name);
  const int64_t* value = found == attributes.end() ? nullptr : std::get_if<int64_t>(&found->second);
  return value ? *value : otherwise;
}

/// No more than one place is left.
bool pooled(const Value* value) {
  const Shape& shape = value->shape();
  if (!shape.rank()) return false;
  for (int i = 2; i < shape.rank(); ++i)
    if (shape[static_cast<size_t>(i)] != Dim(1)) return false;
  return shape.rank() >= 2;
}

bool passes_through(const Node& node) {
  static const std::set<std::string> kinds = {"Flatten", "Reshape", "Squeeze",        "Unsqueeze",       "Identity",
                                              "Dropout", "Cast",    "QuantizeLinear", "DequantizeLinear"};
  return kinds.count(node.op().type()) > 0;
}

/// Rows of a class from a matrix that has them as rows or columns.
Tensor class_rows(const Tensor& matrix, bool columns) {
  if (!matrix.defined() || matrix.rank() < 2) return {};
  int64_t rows = matrix.dim(0), width = matrix.size() / std::max<int64_t>(1, rows);
  Tensor flat = matrix.cast(DType::f32).reshaped({rows, width});
  if (!columns) return flat;
  Tensor turned(DType::f32, {width, rows});
  auto in = flat.data<float>();
  auto out = turned.mutable_data<float>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < width; ++c) out[static_cast<size_t>(c * rows + r)] = in[static_cast<size_t>(r * width + c)];
  return turned;
}

Tensor identity(int64_t size) {
  Tensor matrix = Tensor::zeros(DType::f32, {size, size});
  for (int64_t i = 0; i < size; ++i) matrix.mutable_data<float>()[static_cast<size_t>(i * size + i)] = 1;
  return matrix;
}

}  // namespace

Tensor weighted_channels(const Tensor& feature, std::span<const float> weights) {
  auto channels = static_cast<size_t>(feature.dim(1)), places = static_cast<size_t>(feature.dim(2) * feature.dim(3));
  Tensor map = Tensor::zeros(DType::f32, {feature.dim(2), feature.dim(3)});
  auto in = feature.data<float>();
  auto out = map.mutable_data<float>();
  for (size_t c = 0; c < channels; ++c) {
    float weight = weights.empty() ? 1.0f / static_cast<float>(channels) : weights[c];
    for (size_t i = 0; i < places; ++i) out[i] += weight * in[c * places + i];
  }
  return map;
}

Tensor principal_map(const Tensor& feature) {
  auto channels = static_cast<size_t>(feature.dim(1)), places = static_cast<size_t>(feature.dim(2) * feature.dim(3));
  auto in = feature.data<float>();
  std::vector<double> map(places, 0), direction(channels, 0);
  for (size_t c = 0; c < channels; ++c)
    for (size_t i = 0; i < places; ++i) direction[c] += in[c * places + i];
  // Power iteration on F F^T, started from the mean feature.
  for (int step = 0; step < 60; ++step) {
    double norm = 0;
    for (double d : direction) norm += d * d;
    if (norm == 0 || !std::isfinite(norm)) break;
    norm = 1 / std::sqrt(norm);
    std::fill(map.begin(), map.end(), 0.0);
    for (size_t c = 0; c < channels; ++c) {
      double weight = direction[c] * norm;
      for (size_t i = 0; i < places; ++i) map[i] += weight * in[c * places + i];
    }
    for (size_t c = 0; c < channels; ++c) {
      direction[c] = 0;
      for (size_t i = 0; i < places; ++i) direction[c] += in[c * places + i] * map[i];
    }
  }
  double sum = 0;
  for (double value : map) sum += value;
  Tensor result(DType::f32, {feature.dim(2), feature.dim(3)});
  auto out = result.mutable_data<float>();
  for (size_t i = 0; i < places; ++i) out[i] = static_cast<float>(sum < 0 ? -map[i] : map[i]);
  return result;
}

Tensor normalized(const Tensor& map, bool shift) {
  Tensor result = map.clone();
  auto values = result.mutable_data<float>();
  if (values.empty()) return result;
  for (float& value : values)
    if (!std::isfinite(value)) value = 0;
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  float from = shift || *high <= 0 ? *low : 0, range = *high - from;
  for (float& value : values) value = range > 1e-12f ? std::max(0.0f, (value - from) / range) : 0;
  return result;
}

Tensor linear_head(const Graph& graph, const Value* feature) {
  const Value* value = feature;
  bool is_pooled = false;
  for (int step = 0; step < 12; ++step) {
    bool end = value->uses().size() != 1;
    const Node* node = end ? nullptr : value->uses()[0].node;
    if (is_pooled && (end ? graph.is_output(value) : node->is("Softmax"))) return identity(feature->shape()[1].value);
    if (end) return {};
    if (node->is("GlobalAveragePool") || node->is("AveragePool") || node->is("ReduceMean") ||
        node->is("GlobalMaxPool")) {
      if (is_pooled || !pooled(node->output())) return {};
      is_pooled = true;
    } else if (is_pooled && node->is("Gemm")) {
      return class_rows(constant_value(node->input(1)), integer(*node, "transB", 0) == 0);
    } else if (is_pooled && node->is("MatMul")) {
      return class_rows(constant_value(node->input(1)), true);
    } else if (is_pooled && node->is("Conv")) {
      // Linear only when nothing but reshaping and softmax follows.
      const Value* after = node->output();
      while (after->uses().size() == 1 && passes_through(*after->uses()[0].node))
        after = after->uses()[0].node->output();
      bool last = graph.is_output(after) || (after->uses().size() == 1 && after->uses()[0].node->is("Softmax"));
      return last && integer(*node, "group", 1) == 1 ? class_rows(constant_value(node->input(1)), false) : Tensor();
    } else if (!passes_through(*node)) {
      return {};
    }
    value = node->output();
  }
  return {};
}

}  // namespace hone::app
