#pragma once
#include "export/export.hpp"

namespace hone::onnx {

void export_onnx(const Graph& graph, const std::filesystem::path& path, const ExportOptions& options);

}  // namespace hone::onnx
