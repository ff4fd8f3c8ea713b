#include "compile/lower/lower.hpp"
#include "compile/lower/patterns.hpp"
#include "graph/ops/shape/gather.hpp"
#include "graph/ops/shape/transpose.hpp"

namespace hone {

namespace {

bool is_static(const Value* value) { return value && value->shape().is_static(); }

/// The only input's producer when it is `type` and used by `node` alone.
Node* single_producer(const Graph& graph, const Node* node, const char* type) {
  const Value* input = node->input(0);
  Node* producer = input ? input->producer() : nullptr;
  return producer && producer->is(type) && single_user(graph, input) == node ? producer : nullptr;
}

/// x [N, C, H, W] -> Reshape [N C / g, g, H W] -> Transpose [1, 0, 2] -> Reshape [g, N, C / g, H, W] -> Gather i  =>
/// Slice of the channels i, i + g, i + 2 g ...; how ShuffleNet V2's authors split channels. The chain may serve several
/// Gathers.
bool gather_to_slice(Graph& graph, Node* node) {
  const auto* gather = node->as<ops::Gather>();
  if (!gather || gather->axis != 0 || !node->input(1)->is_constant() || node->input(1)->constant().rank() != 0)
    return false;
  Node* parts = node->input(0)->producer();
  if (!parts || !parts->is("Reshape")) return false;
  Node* turn = single_producer(graph, parts, "Transpose");
  Node* groups = turn ? single_producer(graph, turn, "Reshape") : nullptr;
  if (!groups || !is_static(groups->input(0)) || turn->as<ops::Transpose>()->perm != std::vector<int64_t>{1, 0, 2})
    return false;
  Dims x = groups->input(0)->shape().concrete(), cut = groups->output()->shape().concrete(),
       y = parts->output()->shape().concrete();
  if (x.size() != 4 || cut.size() != 3) return false;
  int64_t g = cut[1];
  if (cut != Dims{x[0] * x[1] / g, g, x[2] * x[3]} || x[1] % g != 0 || y != Dims{g, x[0], x[1] / g, x[2], x[3]})
    return false;
  int64_t index = node->input(1)->constant().to_ints()[0];
  if (index < 0) index += g;
  auto number = [&](const char* what, int64_t value) {
    return graph.add_constant(node->name + what, Tensor::of<int64_t>({1}, {value}));
  };
  Node* slice = graph.insert_before(
      node, new_op("Slice"),
      {groups->input(0), number("/start", index), number("/end", x[1]), number("/axis", 1), number("/step", g)},
      node->name + "/slice");
  graph.replace_uses(node->output(), slice->output());
  return true;
}

}  // namespace

std::optional<Shuffle> match_shuffle(const Graph& graph, const Node* first) {
  if (!first->is("Reshape") || !is_static(first->input(0)) || !is_static(first->output())) return std::nullopt;
  Node* turn = single_user(graph, first->output());
  const auto* op = turn ? turn->as<ops::Transpose>() : nullptr;
  Node* back = op ? single_user(graph, turn->output()) : nullptr;
  if (!back || !back->is("Reshape") || back->input(0) != turn->output() || !is_static(back->output()))
    return std::nullopt;
  Dims x = first->input(0)->shape().concrete(), cut = first->output()->shape().concrete();
  if (x.size() != 4 || cut.size() < 4 || back->output()->shape().concrete() != x) return std::nullopt;
  if (cut[0] != x[0] || cut[1] * cut[2] != x[1] || x[1] == 0) return std::nullopt;
  std::vector<int64_t> perm{0, 2, 1};
  for (int64_t i = 3; i < static_cast<int64_t>(cut.size()); ++i) perm.push_back(i);
  if (op->perm != perm) return std::nullopt;
  return Shuffle{cut[1], back};
}

void find_channel_moves(Graph& graph) {
  for (Node* node : graph.node_list()) gather_to_slice(graph, node);
  graph.remove_dead();
}

}  // namespace hone
