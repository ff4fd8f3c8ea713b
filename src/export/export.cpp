#include "export/export.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/error.hpp"
#include "export/onnx/onnx_export.hpp"

namespace hone {

namespace {
struct Format {
  const char* name;
  const char* extension;
  void (*write)(const Graph&, const std::filesystem::path&, const ExportOptions&);
};
constexpr Format formats[] = {
    {"ONNX", ".onnx", onnx::export_onnx},
};
}  // namespace

void export_model(const Graph& graph, const std::filesystem::path& path, const ExportOptions& options) {
  std::string extension = path.extension().string(), writable;
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const Format& format : formats) {
    if (extension == format.extension) return format.write(graph, path, options);
    writable += fmt::format("{}{} ({})", writable.empty() ? "" : ", ", format.name, format.extension);
  }
  throw Error(fmt::format("'{}'", path.string()),
              fmt::format("has no extension of a format that Hone writes: {}", writable),
              "name the file with one of these extensions");
}

}  // namespace hone
