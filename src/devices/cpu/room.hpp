#pragma once
#include <cstddef>
#include <unordered_set>

#include "devices/cpu/kernel.hpp"

/// Memory for transformed weights, which are several times larger than plain ones.
namespace hone::cpu {

/// Bytes of the constants that nodes read.
size_t constant_bytes(const Graph& graph);

/// Bytes by which the weights of a plan may exceed the plain ones.
size_t room_for_weights(const Graph& graph);

/// The 8-bit convolutions whose weights are worth transforming, those that gain most time for a byte first, as far as
/// the room reaches.
std::unordered_set<const Node*> worth_transforming(const Graph& graph, const CpuContext& context);

}  // namespace hone::cpu
