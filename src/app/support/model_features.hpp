#pragma once
#include <filesystem>
#include <set>
#include <string>

namespace hone::app {

/// What an ONNX file uses, whether or not Hone can import it: "op=Loop", "domain=ai.onnx.ml", "type=string",
/// "type=sequence", "type=float8e5m2" ... of its graph, subgraphs and functions. Throws Error for a damaged file.
std::set<std::string> model_features(const std::filesystem::path& path);

}  // namespace hone::app
