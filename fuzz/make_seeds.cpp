#include <filesystem>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "export/export.hpp"
#include "graph/text.hpp"

using namespace hone;
namespace fs = std::filesystem;

namespace {
std::string quoted(const std::string& word) { return "\"" + word + "\"\n"; }

/// Words that the fuzzer cannot guess: names of ops and of their attributes.
std::string dictionary(bool text) {
  std::string words;
  for (const auto& op : all_ops()) {
    words += quoted(op->type());
    for (const auto& [name, value] : get_attributes(*op)) words += quoted(name);
  }
  for (const char* word : {"ai.onnx", "com.microsoft", "float_data", "raw_data", "strides", "pads", "kernel_shape", "group", "axis",
                           "axes", "perm", "dilations", "mode", "auto_pad", "SAME_UPPER", "to", "equation", "value"})
    words += quoted(word);
  if (text)
    for (const char* word : {"graph", "input", "output", "const", "metadata", "fill(", "random(", "range", "f32[", "i64[", "[*]", "_"})
      words += quoted(word);
  return words;
}
}  // namespace

/// Writes OUT/onnx_import and OUT/text_form: the seed graphs as ONNX files and as text, and the fuzzer's dictionaries.
int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make_seeds OUT\n");
    return 2;
  }
  try {
    fs::path out = argv[1];
    make_writable_folder(out / "onnx_import");
    make_writable_folder(out / "text_form");
    for (const auto& entry : fs::directory_iterator(HONE_SEEDS)) {
      std::string text = read_text_file(entry.path());
      Graph graph = parse_text(text, entry.path().filename().string());
      write_file(out / "text_form" / entry.path().filename(), text);
      export_model(graph, out / "onnx_import" / entry.path().filename().replace_extension(".onnx"));
    }
    write_file(out / "onnx_import.dict", dictionary(false));
    write_file(out / "text_form.dict", dictionary(true));
  } catch (const Error& error) {
    fmt::print(stderr, "make_seeds: {}\n", error.what());
    return 1;
  }
  return 0;
}
