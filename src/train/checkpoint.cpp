#include "train/checkpoint.hpp"

#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace hone {

namespace {

// File: magic, version, payload size, payload checksum, payload. The payload is four lists (tensors, integers, numbers,
// texts), each a count and entries of name and value. All integers are 64-bit little-endian.
constexpr char magic[8] = {'H', 'O', 'N', 'E', 'C', 'K', 'P', 'T'};
constexpr uint64_t version = 2;
constexpr size_t header_bytes = 32;
constexpr const char* remedy = "delete it to start again, or restore a copy";

/// 64-bit FNV-1a over 8-byte words and the rest by bytes: finds any damage a disk makes, and keeps up with it.
uint64_t checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  auto mix = [&](uint64_t value) { hash = (hash ^ value) * 0x100000001b3u, hash ^= hash >> 29; };
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  for (; i < bytes.size(); ++i) mix(static_cast<unsigned char>(bytes[i]));
  return hash;
}

class Writer {
 public:
  std::string bytes;
  void integer(int64_t value) { raw(&value, sizeof value); }
  void number(double value) { raw(&value, sizeof value); }
  void text(const std::string& value) {
    integer(static_cast<int64_t>(value.size()));
    bytes += value;
  }
  void raw(const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); }
};

class Reader {
 public:
  Reader(std::string_view bytes, std::string place) : bytes_(bytes), place_(std::move(place)) {}
  int64_t integer() { return read<int64_t>(); }
  double number() { return read<double>(); }
  std::string text() { return std::string(take(integer())); }
  std::string_view take(int64_t size) {
    if (size < 0 || static_cast<uint64_t>(size) > bytes_.size())
      throw Error(place_, "the checkpoint is damaged", remedy);
    std::string_view part = bytes_.substr(0, static_cast<size_t>(size));
    bytes_.remove_prefix(part.size());
    return part;
  }
  int64_t count() {
    int64_t value = integer();
    if (value < 0 || static_cast<uint64_t>(value) > bytes_.size())
      throw Error(place_, "the checkpoint is damaged", remedy);
    return value;
  }

 private:
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view bytes_;
  std::string place_;
};

void write_tensor(Writer& out, const Tensor& tensor) {
  out.integer(static_cast<int64_t>(tensor.dtype()));
  out.integer(tensor.rank());
  for (int64_t dim : tensor.dims()) out.integer(dim);
  out.integer(static_cast<int64_t>(tensor.bytes()));
  out.raw(tensor.raw(), tensor.bytes());
}

Tensor read_tensor(Reader& in, const std::string& place) {
  auto dtype = static_cast<DType>(in.integer());
  Dims dims(static_cast<size_t>(in.count()));
  for (int64_t& dim : dims) dim = in.integer();
  std::string_view data = in.take(in.integer());
  if (size_of(dtype) == 0) throw Error(place, "the checkpoint is damaged", remedy);
  Tensor tensor(dtype, std::move(dims));
  if (tensor.bytes() != data.size()) throw Error(place, "the checkpoint is damaged", remedy);
  if (!data.empty()) std::memcpy(tensor.mutable_raw(), data.data(), data.size());
  return tensor;
}

template <class Map>
const auto& find(const Map& map, const std::string& name) {
  auto it = map.find(name);
  if (it == map.end())
    throw Error("checkpoint", "has no entry '" + name + "'", "it belongs to another model or program version");
  return it->second;
}

}  // namespace

const Tensor& Checkpoint::tensor(const std::string& name) const { return find(tensors, name); }
int64_t Checkpoint::integer(const std::string& name) const { return find(integers, name); }
double Checkpoint::number(const std::string& name) const { return find(numbers, name); }
const std::string& Checkpoint::text(const std::string& name) const { return find(texts, name); }

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  Writer out;
  auto list = [&](const auto& map, auto write) {
    out.integer(static_cast<int64_t>(map.size()));
    for (auto& [name, value] : map) out.text(name), write(value);
  };
  list(checkpoint.tensors, [&](const Tensor& value) { write_tensor(out, value); });
  list(checkpoint.integers, [&](int64_t value) { out.integer(value); });
  list(checkpoint.numbers, [&](double value) { out.number(value); });
  list(checkpoint.texts, [&](const std::string& value) { out.text(value); });
  uint64_t size = out.bytes.size(), sum = checksum(out.bytes);
  write_file(path, [&](const FileAppend& append) {
    append(magic, sizeof magic);
    append(&version, sizeof version);
    append(&size, sizeof size);
    append(&sum, sizeof sum);
    append(out.bytes.data(), out.bytes.size());
  });
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  std::string place = "checkpoint '" + path.string() + "'";
  std::string_view bytes = file->text();
  if (bytes.size() < sizeof magic || std::memcmp(bytes.data(), magic, sizeof magic) != 0)
    throw Error(place, "is not a checkpoint of hone", "pass the file that training wrote");
  if (bytes.size() < header_bytes) throw Error(place, fmt::format("is cut off after {} bytes", bytes.size()), remedy);
  uint64_t header[3];
  std::memcpy(header, bytes.data() + sizeof magic, sizeof header);
  if (header[0] != version)
    throw Error(place, fmt::format("has version {}, this program reads version {}", header[0], version),
                "start the training again");
  bytes.remove_prefix(header_bytes);
  if (bytes.size() != header[1])
    throw Error(place, fmt::format("is cut off: {} bytes, expected {}", bytes.size(), header[1]), remedy);
  if (checksum(bytes) != header[2]) throw Error(place, "is damaged: its checksum does not fit", remedy);
  Reader in(bytes, place);
  Checkpoint checkpoint;
  auto list = [&](auto read) {
    for (int64_t left = in.count(); left > 0; --left) {
      std::string name = in.text();
      read(name);
    }
  };
  list([&](const std::string& name) { checkpoint.tensors[name] = read_tensor(in, place); });
  list([&](const std::string& name) { checkpoint.integers[name] = in.integer(); });
  list([&](const std::string& name) { checkpoint.numbers[name] = in.number(); });
  list([&](const std::string& name) { checkpoint.texts[name] = in.text(); });
  return checkpoint;
}

}  // namespace hone
