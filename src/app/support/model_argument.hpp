#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>

namespace hone::app {

/// Lets a model be named by the folder that `hone train` wrote: the model.onnx in it is meant.
inline CLI::Validator model_or_its_folder() {
  return CLI::Validator(
      [](std::string& path) {
        std::error_code error;
        std::filesystem::path inside = std::filesystem::path(path) / "model.onnx";
        if (std::filesystem::is_directory(path, error) && std::filesystem::is_regular_file(inside, error))
          path = inside.string();
        return std::string();
      },
      "");
}

}  // namespace hone::app
