#pragma once
#include <functional>
#include <vector>

#include "base/hash.hpp"
#include "compile/cache/bytes.hpp"
#include "graph/graph.hpp"

/// A graph with concrete sizes as bytes that are read back in a fraction of a millisecond: for the plan cache. The
/// portable form of a graph is ONNX.
namespace hone::cache {

/// Writes the graph without metadata and without the contents of its constants, whose values are appended to
/// `constants` in the order in which read_graph() asks for them. Returns false when the graph holds what this form has
/// no place for (bodies, strings, open sizes).
bool write_graph(const Graph& graph, ByteWriter& out, std::vector<const Value*>& constants);

/// The contents of constant `index`; `data` of it may be null when nobody reads them.
using ConstantData = std::function<Tensor(size_t index, DType dtype, const Dims& dims)>;

/// Throws Damaged.
Graph read_graph(ByteReader& in, const ConstantData& constant);

/// Of all that makes the graph compute what it does: structure, attributes and constants, not of metadata. False as in
/// write_graph().
bool hash_graph(const Graph& graph, Hash& hash);

}  // namespace hone::cache
