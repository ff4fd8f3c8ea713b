#include "devices/cpu/room.hpp"

#include <algorithm>

namespace hone::cpu {

namespace {
template <class Count>
size_t count_constants(const Graph& graph, Count count) {
  size_t total = 0;
  for (const auto& node : graph.nodes())
    for (const Value* input : node->inputs())
      if (input && input->is_constant()) total += count(input->constant());
  return total;
}
}  // namespace

size_t constant_bytes(const Graph& graph) {
  return count_constants(graph, [](const Tensor& constant) { return constant.bytes(); });
}

size_t room_for_weights(const Graph& graph) {
  // Transformed weights are four times as large in f32, eight times for 8 bits.
  constexpr size_t least = 16 << 20, most_bytes = 64 << 20;
  const size_t all = constant_bytes(graph), bytes = count_constants(graph, [](const Tensor& constant) {
                     return constant.dtype() == DType::i8 ? constant.bytes() : 0;
                   });
  return std::max(least, (all - bytes) / 5 + std::min(2 * bytes, most_bytes));
}

}  // namespace hone::cpu
