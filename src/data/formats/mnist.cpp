// The IDX files of MNIST, Fashion-MNIST and their relatives, plain or .gz.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "data/formats/byte_file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
constexpr size_t most_bytes = size_t{1} << 31;

/// "train-images-idx3-ubyte.gz" and "t10k-images.idx3-ubyte"; the labels file has "labels" and "idx1" instead.
bool is_images_file(const FolderFile& file) {
  return file.name.find("images") != std::string::npos && file.name.find("idx3") != std::string::npos;
}

std::vector<const FolderFile*> image_files(const Folder& folder) {
  std::vector<const FolderFile*> found;
  for (const FolderFile& file : folder.files())
    if (is_images_file(file) && (found.empty() || found[0]->directory == file.directory)) {
      // A .gz beside its unpacked copy is the same file.
      bool twin = std::any_of(found.begin(), found.end(), [&](const FolderFile* other) {
        return file.name == other->name + ".gz" || other->name == file.name + ".gz";
      });
      if (!twin) found.push_back(&file);
    }
  return found;
}

std::vector<Candidate> detect(const Folder& folder) {
  auto found = image_files(folder);
  if (found.empty()) return {};
  return {{0.97, {Task::classification}, "", fmt::format("IDX files such as {}", found[0]->name)}};
}

uint32_t big_endian(const std::vector<std::byte>& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint32_t>(bytes[at + i]);
  return value;
}

struct Idx {
  std::shared_ptr<std::vector<std::byte>> bytes;
  std::vector<uint32_t> dims;
  size_t start = 0;
};

Idx read_idx(const std::filesystem::path& path, size_t rank) {
  Idx idx{read_bytes_unpacked(path, most_bytes), {}, 4 + 4 * rank};
  const auto& bytes = *idx.bytes;
  if (bytes.size() < idx.start || big_endian(bytes, 0) != 0x800 + rank)
    throw Error(quoted(path), fmt::format("is not an IDX file of bytes with {} axes", rank), "download it again");
  uint64_t expected = 1;
  for (size_t i = 0; i < rank; ++i) {
    idx.dims.push_back(big_endian(bytes, 4 + 4 * i));
    expected *= std::min<uint64_t>(idx.dims.back(), most_bytes);
    expected = std::min<uint64_t>(expected, uint64_t{most_bytes} * 4);
  }
  if (bytes.size() - idx.start != expected)
    throw Error(quoted(path),
                fmt::format("has {} bytes of data, its header says {}", bytes.size() - idx.start, expected),
                "download it again");
  return idx;
}

std::filesystem::path labels_path(const Folder& folder, const FolderFile& images) {
  std::string name = images.path;
  for (auto [from, to] : {std::pair("images", "labels"), std::pair("idx3", "idx1")}) {
    size_t at = name.rfind(from);
    name.replace(at, std::string(from).size(), to);
  }
  bool packed = name.ends_with(".gz");
  std::string other = packed ? name.substr(0, name.size() - 3) : name + ".gz";
  if (!folder.find(name) && folder.find(other)) name = other;
  if (!folder.find(name))
    throw Error(quoted(folder.full(images.path)), "has no labels file beside it", "expected " + name);
  return folder.full(name);
}

std::vector<std::string> names_of(const Folder& folder) {
  std::string where = to_lower(std::filesystem::absolute(folder.root()).string());
  for (const FolderFile* file : image_files(folder)) where += to_lower(file->directory);
  if (where.find("fashion") == std::string::npos) return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Dataset dataset;
  dataset.classes = names_of(folder);
  int most = 0;
  for (const FolderFile* file : image_files(folder)) {
    std::filesystem::path path = folder.full(file->path);
    Idx images = read_idx(path, 3), labels = read_idx(labels_path(folder, *file), 1);
    if (images.dims[0] != labels.dims[0])
      throw Error(quoted(path),
                  fmt::format("has {} images, its labels file {} labels", images.dims[0], labels.dims[0]));
    if (images.dims[0] > 0 && (images.dims[1] == 0 || images.dims[2] == 0))
      throw Error(quoted(path), "has images of size 0");
    size_t size = size_t{images.dims[1]} * images.dims[2];
    for (size_t i = 0; i < images.dims[0]; ++i) {
      Sample sample;
      sample.path = path.string() + fmt::format("#{}", i);
      sample.label = static_cast<int>((*labels.bytes)[labels.start + i]);
      most = std::max(most, sample.label + 1);
      sample.pixels = Tensor(DType::u8, {images.dims[1], images.dims[2]},
                             images.bytes->data() + images.start + i * size, size, images.bytes);
      sample.size = {static_cast<int>(images.dims[1]), static_cast<int>(images.dims[2])};
      sample.part = file->name.starts_with("train") ? Part::train : Part::test;
      dataset.samples.push_back(std::move(sample));
    }
  }
  if (most > static_cast<int>(dataset.classes.size())) number_classes(dataset, most);  // EMNIST and the like
  return dataset;
}
}  // namespace

const Reader mnist_reader = {"mnist", "IDX files of MNIST, Fashion-MNIST (train-images-idx3-ubyte ..., also .gz)",
                             detect, read, true};

}  // namespace hone
