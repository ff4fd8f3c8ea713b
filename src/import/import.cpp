#include "import/import.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "import/onnx/onnx_import.hpp"

namespace hone {

namespace {

struct Format {
  ImportFormat about;
  bool (*looks_like)(std::string_view content);
  Graph (*read)(const std::shared_ptr<const MappedFile>&);
};

const std::vector<Format>& formats() {
  static const std::vector<Format> list = {
      {{"ONNX", {".onnx"}}, onnx::looks_like_onnx, onnx::import_onnx},
  };
  return list;
}

/// Files that people mistake for models we read: what they are by their first bytes, and what to do.
struct Foreign {
  size_t offset;
  std::string_view magic;
  const char* what;
  const char* remedy;
};
constexpr Foreign foreign_files[] = {
    {0, "version https://git-lfs", "a Git LFS pointer, not the model itself", "run 'git lfs pull' in its folder"},
    {0, "PK\x03\x04", "a zip archive, such as a PyTorch checkpoint", "export the model with torch.onnx.export"},
    {0, "\x1f\x8b", "a gzip archive", "unpack it first"},
    {0, "\x89HDF", "an HDF5 file, such as Keras weights", "convert the model with tf2onnx"},
    {4, "TFL3", "a TensorFlow Lite model", "convert the model with tf2onnx"},
    {0, "\x80\x02", "a Python pickle, such as a PyTorch checkpoint", "export the model with torch.onnx.export"},
    {0, "<?xml", "an XML file", "give the ONNX file of the model"},
    {0, "<!DOCTYPE", "a web page", "download the file itself, not the page about it"},
    {0, "<html", "a web page", "download the file itself, not the page about it"},
};

/// No control characters, and mostly ASCII: text in any usual encoding.
bool is_text(std::string_view content) {
  content = content.substr(0, 512);
  size_t plain = 0;
  for (unsigned char c : content) {
    if (c < 0x80 && !std::isprint(c) && !std::isspace(c)) return false;
    plain += c < 0x80;
  }
  return plain * 4 >= content.size() * 3;
}

/// Throws Error when the content is clearly something else than a file of `format`.
void refuse_foreign(const MappedFile& file, const std::string& format) {
  std::string place = fmt::format("'{}'", file.path().string()), is_not = fmt::format("is not an {} file: ", format);
  std::string_view content = file.text();
  if (content.empty()) throw Error(place, is_not + "it is empty", "download or export it again");
  for (const Foreign& foreign : foreign_files)
    if (content.size() > foreign.offset && content.substr(foreign.offset).starts_with(foreign.magic))
      throw Error(place, is_not + "it is " + foreign.what, foreign.remedy);
  if (is_text(content)) {
    std::string line(content.substr(0, std::min<size_t>(content.find_first_of("\r\n"), 40)));
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return !std::isprint(c); }, '?');
    throw Error(place, is_not + "it is text that begins with \"" + line + "\"", "check that this is the right file");
  }
}

std::string lower_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension;
}

}  // namespace

const std::vector<ImportFormat>& import_formats() {
  static const std::vector<ImportFormat> list = [] {
    std::vector<ImportFormat> all;
    for (const Format& format : formats()) all.push_back(format.about);
    return all;
  }();
  return list;
}

namespace {

Graph import_file(const std::shared_ptr<const MappedFile>& file) {
  const std::filesystem::path& path = file->path();
  std::string extension = lower_extension(path), readable;
  for (const Format& format : formats()) {
    bool named = std::find(format.about.extensions.begin(), format.about.extensions.end(), extension) !=
                 format.about.extensions.end();
    if (named) refuse_foreign(*file, format.about.name);
    if (named || format.looks_like(file->text())) return format.read(file);
    readable += (readable.empty() ? "" : ", ") + format.about.name + " (" + format.about.extensions[0] + ")";
  }
  refuse_foreign(*file, formats()[0].about.name);
  throw Error(fmt::format("'{}'", path.string()), "is of no format that Hone reads; it reads " + readable,
              "convert the model to ONNX first");
}

}  // namespace

Graph import_model(const std::filesystem::path& path) { return import_file(MappedFile::open(path)); }

Graph import_model(std::span<const std::byte> bytes, const std::string& name) {
  return import_file(MappedFile::from_memory(bytes, name));
}

}  // namespace hone
