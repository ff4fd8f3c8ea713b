#include "quantize/methods/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "quantize/int8_ops.hpp"
#include "quantize/layer.hpp"
#include "quantize/methods/channel_weights.hpp"

namespace hone {

namespace {

constexpr int most_rounds = 20;
constexpr double settled = 1e-3, least_range = 1e-8;

struct Pair {
  Node *first, *second;
  size_t channels;
};

bool has_only_use(const Graph& graph, const Value* value) {
  return graph.use_count(value) == 1 && value->uses().size() == 1;
}

std::optional<Pair> pair_behind(const Graph& graph, Node* first) {
  if (!has_output_channels(*first) || !bias_place(*first, false)) return std::nullopt;
  const Value* value = first->output();
  while (has_only_use(graph, value)) {
    Node* next = value->uses()[0].node;
    if (value->uses()[0].index != 0) return std::nullopt;
    if (is_homogeneous(*next)) {
      value = next->output();
      continue;
    }
    bool same_rank = first->output()->shape().rank() == next->input(0)->shape().rank();
    if (!is_layer_type(*next) || !constant_f32(next->input(1)) || !has_input_channels(*next) || !same_rank)
      return std::nullopt;
    return Pair{first, next, output_channels(*first)};
  }
  return std::nullopt;
}

// Scales one pair; returns the largest change of a scale.
double equalize_pair(Graph& graph, const Pair& pair, std::vector<double>& total) {
  const float *a = pair.first->input(1)->constant().data<float>().data(),
              *b = pair.second->input(1)->constant().data<float>().data();
  std::vector<double> scales(pair.channels, 1);
  double change = 0;
  for (size_t c = 0; c < pair.channels; ++c) {
    double r1 = 0, r2 = 0;
    each_output_weight(*pair.first, c, [&](size_t i) { r1 = std::max(r1, std::fabs(static_cast<double>(a[i]))); });
    each_input_weight(*pair.second, c,
                      [&](size_t i, size_t) { r2 = std::max(r2, std::fabs(static_cast<double>(b[i]))); });
    if (r1 < least_range || r2 < least_range) continue;  // a dead channel
    scales[c] = std::sqrt(r1 * r2) / r2;
    change = std::max(change, std::fabs(std::log(scales[c])));
  }
  if (change < settled) return change;
  float* first = own_weights(graph, pair.first, 1);
  float* second = own_weights(graph, pair.second, 1);
  float* bias = pair.first->input(2) ? own_weights(graph, pair.first, 2) : nullptr;
  for (size_t c = 0; c < pair.channels; ++c) {
    float scale = static_cast<float>(scales[c]);
    each_output_weight(*pair.first, c, [&](size_t i) { first[i] /= scale; });
    each_input_weight(*pair.second, c, [&](size_t i, size_t) { second[i] *= scale; });
    if (bias) bias[c] /= scale;
    total[c] *= scales[c];
  }
  return change;
}

bool has_channel_bias(const Pair& pair) {
  const Value* bias = pair.first->input(2);
  return !bias || bias->constant().size() == static_cast<int64_t>(pair.channels);
}

}  // namespace

int equalize(Graph& graph) {
  std::vector<Pair> pairs;
  for (Node* layer : constant_layers(graph))
    if (auto pair = pair_behind(graph, layer);
        pair && input_channels(*pair->second) == pair->channels && has_channel_bias(*pair))
      pairs.push_back(*pair);
  std::vector<std::vector<double>> totals;
  for (const Pair& pair : pairs) totals.emplace_back(pair.channels, 1);
  for (int round = 0; round < most_rounds; ++round) {
    double change = 0;
    for (size_t i = 0; i < pairs.size(); ++i) change = std::max(change, equalize_pair(graph, pairs[i], totals[i]));
    if (change < settled) break;
  }
  int count = 0;
  for (const auto& total : totals)
    count += static_cast<int>(std::count_if(total.begin(), total.end(), [](double s) { return s != 1; }));
  return count;
}

}  // namespace hone
