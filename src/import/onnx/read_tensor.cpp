#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/model.hpp"
#include "tensor/int4.hpp"

namespace hone::onnx {

namespace {

constexpr size_t max_rank = 64;

/// A TensorProto with its data still where it was.
struct TensorDef {
  std::string place;
  Dims dims;
  int64_t data_type = 0;
  std::vector<float> floats;
  std::vector<int64_t> int32s, int64s, uint64s;
  std::vector<double> doubles;
  std::vector<std::string> strings;
  std::optional<std::string_view> raw;
  std::map<std::string, std::string> external;
  int64_t location = 0;
  bool segmented = false;
};

DType element_type(const TensorDef& def) {
  auto dtype = static_cast<DType>(def.data_type >= 0 && def.data_type < 256 ? def.data_type : 0);
  if (dtype != DType::string && size_of(dtype) == 0)
    throw Error(def.place,
                fmt::format("has the element type {} ({}), which Hone does not have", element_name(def.data_type),
                            def.data_type),
                "convert the model to float32, float16 or int8");
  return dtype;
}

int64_t checked_count(const TensorDef& def) {
  if (def.dims.size() > max_rank)
    throw Error(def.place, fmt::format("has {} dimensions, expected at most {}", def.dims.size(), max_rank));
  try {
    return element_count(def.dims);
  } catch (const Error& error) {
    throw Error(def.place, to_string(def.dims) + " " + error.problem(), "the file is damaged; export the model again");
  }
}

/// Two elements a byte become one a byte.
Tensor unpack(const TensorDef& def, DType dtype, std::string_view bytes) {
  if (bytes.size() == packed_bytes(checked_count(def))) return unpack_4_bit(dtype, def.dims, bytes);
  throw Error(def.place, fmt::format("{}{} has {} bytes of data", name_of(dtype), to_string(def.dims), bytes.size()),
              "the file is damaged or truncated; download or export it again");
}

/// The bytes of a tensor as the file has them, without a copy when the memory can be used as it is.
Tensor from_bytes(const TensorDef& def, DType dtype, std::string_view bytes, std::shared_ptr<const void> owner) {
  if (is_4_bit(dtype)) return unpack(def, dtype, bytes);
  size_t need = 0, size = size_of(dtype);
  if (__builtin_mul_overflow(static_cast<size_t>(checked_count(def)), size, &need) || need != bytes.size())
    throw Error(
        def.place,
        fmt::format("{}{} needs {} bytes of data, has {}", name_of(dtype), to_string(def.dims), need, bytes.size()),
        "the file is damaged or truncated; download or export it again");
  // Any byte but 0 and 1 is no bool for C++.
  bool odd_bool =
      dtype == DType::boolean && std::any_of(bytes.begin(), bytes.end(), [](unsigned char c) { return c > 1; });
  // Small tensors are read by everyone, and from an aligned copy without further ado.
  const bool small = bytes.size() < 4096 && reinterpret_cast<uintptr_t>(bytes.data()) % size != 0;
  if (!small && !odd_bool && !bytes.empty())
    return Tensor(dtype, def.dims, bytes.data(), bytes.size(), std::move(owner));
  Tensor tensor(dtype, def.dims);
  if (odd_bool)
    std::transform(bytes.begin(), bytes.end(), tensor.mutable_data<bool>().begin(), [](char c) { return c != 0; });
  else if (need > 0) std::memcpy(tensor.mutable_raw(), bytes.data(), need);
  return tensor;
}

/// Numbers of a typed field, each converted by `convert`.
template <class T, class Source, class Convert>
Tensor from_numbers(const TensorDef& def, DType dtype, const std::vector<Source>& numbers, Convert convert) {
  int64_t count = checked_count(def);
  if (static_cast<uint64_t>(count) != numbers.size())
    throw Error(
        def.place,
        fmt::format("{}{} needs {} numbers, has {}", name_of(dtype), to_string(def.dims), count, numbers.size()),
        "the file is damaged or truncated; download or export it again");
  Tensor tensor(dtype, def.dims);
  T* out = static_cast<T*>(tensor.mutable_raw());
  for (size_t i = 0; i < numbers.size(); ++i) out[i] = convert(numbers[i]);
  return tensor;
}

template <class T, class Source>
Tensor from_numbers(const TensorDef& def, DType dtype, const std::vector<Source>& numbers) {
  return from_numbers<T>(def, dtype, numbers, [](Source number) { return static_cast<T>(number); });
}

Tensor from_typed_field(const TensorDef& def, DType dtype) {
  auto bits = [](int64_t number) { return static_cast<uint16_t>(number); };
  if (is_4_bit(dtype)) {
    // Each number holds a byte, as raw data would.
    std::string bytes;
    for (int64_t number : def.int32s) bytes += static_cast<char>(number);
    return unpack(def, dtype, bytes);
  }
  switch (dtype) {
    case DType::f32:
      return from_numbers<float>(def, dtype, def.floats);
    case DType::f64:
      return from_numbers<double>(def, dtype, def.doubles);
    case DType::i64:
      return from_numbers<int64_t>(def, dtype, def.int64s);
    case DType::u64:
      return from_numbers<uint64_t>(def, dtype, def.uint64s);
    case DType::u32:
      return from_numbers<uint32_t>(def, dtype, def.uint64s);
    case DType::i32:
      return from_numbers<int32_t>(def, dtype, def.int32s);
    case DType::i16:
      return from_numbers<int16_t>(def, dtype, def.int32s);
    case DType::u16:
      return from_numbers<uint16_t>(def, dtype, def.int32s);
    case DType::i8:
      return from_numbers<int8_t>(def, dtype, def.int32s);
    case DType::u8:
      return from_numbers<uint8_t>(def, dtype, def.int32s);
    case DType::f16:
    case DType::bf16:
      return from_numbers<uint16_t>(def, dtype, def.int32s, bits);
    default:
      return from_numbers<bool>(def, dtype, def.int32s, [](int64_t number) { return number != 0; });
  }
}

/// The number under `key`; `absent` when there is none.
uint64_t external_number(const TensorDef& def, const char* key, uint64_t absent) {
  auto it = def.external.find(key);
  if (it == def.external.end()) return absent;
  const std::string& text = it->second;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(def.place, fmt::format("external data has {} '{}', expected a number of bytes", key, text),
                "export the model again");
  return number;
}

Tensor from_external(const TensorDef& def, DType dtype, ExternalFiles& files) {
  auto location = def.external.find("location");
  auto file = files.open(location == def.external.end() ? "" : location->second, def.place);
  std::string_view content = file->text();
  uint64_t offset = external_number(def, "offset", 0);
  uint64_t length = external_number(
      def, "length",
      is_4_bit(dtype) ? packed_bytes(checked_count(def)) : static_cast<uint64_t>(checked_count(def)) * size_of(dtype));
  if (offset > content.size() || length > content.size() - offset)
    throw Error(def.place,
                fmt::format("needs bytes {} to {} of '{}', which has {}", offset, offset + length, location->second,
                            content.size()),
                "the data file is truncated or of another model; copy or export it again");
  return from_bytes(def, dtype, content.substr(offset, length), file);
}

std::pair<std::string, std::string> read_entry(WireReader message) {
  std::pair<std::string, std::string> result;
  while (message.next()) {
    if (message.field() == entry::key)
      result.first = message.text();
    else if (message.field() == entry::value)
      result.second = std::string(message.bytes());
    else
      message.skip();
  }
  return result;
}

void read_field(WireReader& message, TensorDef& def, std::string& name) {
  switch (message.field()) {
    case tensor::dims:
      return message.integers(def.dims);
    case tensor::data_type:
      def.data_type = message.integer();
      return;
    case tensor::float_data:
      return message.floats(def.floats);
    case tensor::int32_data:
      return message.integers(def.int32s);
    case tensor::int64_data:
      return message.integers(def.int64s);
    case tensor::uint64_data:
      return message.integers(def.uint64s);
    case tensor::double_data:
      return message.doubles(def.doubles);
    case tensor::string_data:
      def.strings.emplace_back(message.bytes());
      return;
    case tensor::raw_data:
      def.raw = message.bytes();
      return;
    case tensor::name:
      name = message.text();
      return;
    case tensor::external_data:
      def.external.insert(read_entry(message.message()));
      return;
    case tensor::data_location:
      def.location = message.integer();
      return;
    case tensor::segment:
      def.segmented = true;
      return message.skip();
    default:
      message.skip();
  }
}

}  // namespace

std::string element_name(int64_t type) {
  static const char* const names[] = {"undefined",      "float32",  "uint8",        "int8",           "uint16",
                                      "int16",          "int32",    "int64",        "string",         "bool",
                                      "float16",        "float64",  "uint32",       "uint64",         "complex64",
                                      "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
                                      "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
                                      "uint2",          "int2"};
  return type >= 0 && type < static_cast<int64_t>(std::size(names)) ? names[type] : "unknown";
}

NamedTensor read_tensor(WireReader message, ExternalFiles& files, const std::string& what) {
  TensorDef def;
  std::string name;
  while (message.next()) read_field(message, def, name);
  def.place = name.empty() || what.find('\'') != std::string::npos ? what : what + " '" + name + "'";
  if (def.segmented)
    throw Error(def.place, "is split into segments, which no known program writes", "export the model again");
  DType dtype = element_type(def);
  if (dtype == DType::string) {
    int64_t count = checked_count(def);
    if (static_cast<uint64_t>(count) != def.strings.size())
      throw Error(def.place,
                  fmt::format("string{} needs {} strings, has {}", to_string(def.dims), count, def.strings.size()));
    return {name, Tensor(def.dims, std::move(def.strings))};
  }
  if (def.location == 1) return {name, from_external(def, dtype, files)};
  if (def.raw && !def.raw->empty()) return {name, from_bytes(def, dtype, *def.raw, message.file())};
  return {name, from_typed_field(def, dtype)};
}

}  // namespace hone::onnx
