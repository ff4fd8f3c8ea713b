#pragma once
#include <cstdint>
#include <filesystem>

#include "graph/graph.hpp"

namespace hone {

struct ExportOptions {
  /// Files that would be larger keep their weights in a second file beside them ("model.onnx.data"). Protobuf itself
  /// ends at 2 GB; a smaller number is for tests and for tools that want small model files.
  uint64_t max_file_bytes = 2147483647;
};

/// Writes the graph as a model file; the extension names the format: .onnx (opset 21, IR 10). Names of inputs and
/// outputs, symbolic sizes and metadata are kept; ops of the hone domain become standard ones. The file appears whole
/// or not at all. Throws Error for another extension, a node without a standard form, and on a full disk.
void export_model(const Graph& graph, const std::filesystem::path& path, const ExportOptions& options = {});

}  // namespace hone
