#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// Reads a model file into a Graph. The format follows from the extension, else from the content (import_formats()
/// lists them). Weights are not copied: the graph's constants refer to the mapped file, which stays mapped while any of
/// them lives, so replace such a file by renaming, never by writing into it.
///
/// ONNX: opsets 1 to 24 become opset 21 semantics; external data files are read from the model's folder; fields and
/// tensors above 2 GB are fine. Throws Error naming the file, node, initializer or value that is wrong; a damaged or
/// hostile file has no other effect.
Graph import_model(const std::filesystem::path& path);
/// The same from memory, which is copied; `name` stands for the path in errors, and its extension may name the format.
/// A model whose data is in further files is refused.
Graph import_model(std::span<const std::byte> bytes, const std::string& name);

/// A line of the list of formats: "ONNX", {".onnx"}.
struct ImportFormat {
  std::string name;
  std::vector<std::string> extensions;
};
const std::vector<ImportFormat>& import_formats();

}  // namespace hone
