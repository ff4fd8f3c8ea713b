#pragma once
#include <memory>
#include <string_view>

#include "base/file.hpp"
#include "graph/graph.hpp"

namespace hone::onnx {

/// True when the first bytes can be those of a ModelProto.
bool looks_like_onnx(std::string_view content);
Graph import_onnx(const std::shared_ptr<const MappedFile>& file);

}  // namespace hone::onnx
