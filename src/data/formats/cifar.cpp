// The binary versions of CIFAR-10 (3073-byte records) and CIFAR-100 (3074 bytes: coarse label, fine label, pixels).
#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "base/error.hpp"
#include "data/formats/byte_file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
constexpr int side = 32;
constexpr size_t plane = side * side;
constexpr size_t most_bytes = size_t{1} << 30;

struct Files {
  std::string directory;
  bool fine = false;  // CIFAR-100
  std::vector<const FolderFile*> files;
};

/// By the names beside it, or by its size.
bool is_hundred(const Folder& folder, const FolderFile& file) {
  if (folder.find((file.directory.empty() ? "" : file.directory + "/") + "fine_label_names.txt")) return true;
  std::error_code error;
  auto bytes = std::filesystem::file_size(folder.full(file.path), error);
  return !error && bytes > 0 && bytes % (2 + 3 * plane) == 0;
}

Files find_files(const Folder& folder) {
  Files found;
  for (const FolderFile* file : folder.with_extension(".bin")) {
    bool ten = file->name.starts_with("data_batch_") || file->name == "test_batch.bin";
    bool hundred = (file->name == "train.bin" || file->name == "test.bin") && is_hundred(folder, *file);
    if (!ten && !hundred) continue;
    if (!found.files.empty() && (file->directory != found.directory || hundred != found.fine)) continue;
    found.directory = file->directory;
    found.fine = hundred;
    found.files.push_back(file);
  }
  return found;
}

std::vector<Candidate> detect(const Folder& folder) {
  Files found = find_files(folder);
  if (found.files.empty()) return {};
  return {{0.97,
           {Task::classification},
           "",
           fmt::format("{} files such as {} of CIFAR-{}", found.files.size(), found.files[0]->name,
                       found.fine ? 100 : 10)}};
}

Tensor interleaved(const std::byte* planes) {
  Tensor image(DType::u8, {side, side, 3});
  auto out = image.mutable_data<uint8_t>();
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < 3; ++c) out[i * 3 + c] = static_cast<uint8_t>(planes[c * plane + i]);
  return image;
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Files found = find_files(folder);
  std::string base = found.directory.empty() ? "" : found.directory + "/";
  Dataset dataset;
  dataset.classes = names_file(folder, {base + (found.fine ? "fine_label_names.txt" : "batches.meta.txt")});
  size_t classes = found.fine ? 100 : 10;
  if (dataset.classes.size() != classes) number_classes(dataset, static_cast<int>(classes));
  size_t header = found.fine ? 2 : 1, record = header + 3 * plane;
  for (const FolderFile* file : found.files) {
    std::filesystem::path path = folder.full(file->path);
    auto bytes = read_bytes_unpacked(path, most_bytes);
    if (bytes->empty() || bytes->size() % record != 0)
      throw Error(quoted(path),
                  fmt::format("has {} bytes, expected a multiple of {} (one record an image)", bytes->size(), record),
                  "download the binary version again");
    for (size_t i = 0; i < bytes->size() / record; ++i) {
      const std::byte* start = bytes->data() + i * record;
      auto label = static_cast<size_t>(start[header - 1]);
      Sample sample;
      sample.path = path.string() + fmt::format("#{}", i);
      if (label >= classes)
        throw Error(quoted(path), fmt::format("record {} has class {}, expected 0 to {}", i, label, classes - 1));
      sample.label = static_cast<int>(label);
      sample.pixels = interleaved(start + header);
      sample.size = {side, side};
      sample.part = file->name.starts_with("test") ? Part::test : Part::train;
      dataset.samples.push_back(std::move(sample));
    }
  }
  return dataset;
}
}  // namespace

const Reader cifar_reader = {"cifar", "CIFAR-10 and CIFAR-100, binary version (data_batch_1.bin ...)", detect, read,
                             true};

}  // namespace hone
