#include "import/onnx/wire.hpp"

#include <cstring>

#include <fmt/format.h>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include "base/error.hpp"

namespace hone::onnx {

namespace {
constexpr int wire_varint = 0, wire_fixed64 = 1, wire_length = 2, wire_fixed32 = 5;

/// Length of the valid UTF-8 sequence at the front; 0 when there is none.
size_t utf8_sequence(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first >= 0xf5 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates and numbers past U+10FFFF.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}
}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    size_t length = utf8_sequence(bytes);
    if (length == 0)
      text += "\xef\xbf\xbd";
    else
      text += bytes.substr(0, length);
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

WireReader::WireReader(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), cursor_(file_->text().data()), end_(cursor_ + file_->text().size()) {}

void WireReader::fail(const std::string& problem) const {
  throw Error(fmt::format("'{}'", file_->path().string()),
              fmt::format("is damaged or truncated: {} at byte {}", problem, cursor_ - file_->text().data()),
              "download or export the file again");
}

uint64_t WireReader::varint() {
  try {
    return protozero::decode_varint(&cursor_, end_);
  } catch (const protozero::exception&) {
    fail("a number does not end");
  }
}

std::string_view WireReader::take(uint64_t size) {
  auto left = static_cast<uint64_t>(end_ - cursor_);
  if (size > left) fail(fmt::format("a field of {} bytes is announced where {} are left", size, left));
  std::string_view view(cursor_, size);
  cursor_ += size;
  return view;
}

bool WireReader::next() {
  if (cursor_ == end_) return false;
  uint64_t tag = varint();
  wire_type_ = static_cast<int>(tag & 7);
  field_ = static_cast<Field>(tag >> 3);
  if (tag >> 3 == 0 || tag >> 32 != 0) fail(fmt::format("there is no field of number {}", tag >> 3));
  if (wire_type_ != wire_varint && wire_type_ != wire_fixed64 && wire_type_ != wire_length &&
      wire_type_ != wire_fixed32)
    fail(fmt::format("field {} has the unknown wire type {}", field_, wire_type_));
  return true;
}

void WireReader::expect(int wire_type) {
  if (wire_type_ != wire_type)
    fail(fmt::format("field {} has wire type {}, expected {}", field_, wire_type_, wire_type));
}

int64_t WireReader::integer() {
  expect(wire_varint);
  return static_cast<int64_t>(varint());
}

float WireReader::float32() {
  expect(wire_fixed32);
  float value;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view WireReader::bytes() {
  expect(wire_length);
  return take(varint());
}

std::string WireReader::text() { return valid_utf8(bytes()); }

WireReader WireReader::message() {
  std::string_view content = bytes();
  WireReader inner(*this);
  inner.cursor_ = content.data();
  inner.end_ = content.data() + content.size();
  return inner;
}

void WireReader::skip() {
  switch (wire_type_) {
    case wire_varint:
      varint();
      break;
    case wire_fixed64:
      take(8);
      break;
    case wire_fixed32:
      take(4);
      break;
    default:
      take(varint());
  }
}

void WireReader::integers(std::vector<int64_t>& out) {
  if (wire_type_ == wire_varint) {
    out.push_back(integer());
    return;
  }
  WireReader packed = message();
  while (packed.cursor_ != packed.end_) out.push_back(static_cast<int64_t>(packed.varint()));
}

template <class T>
void WireReader::fixed(std::vector<T>& out, int wire_type) {
  std::string_view content = wire_type_ == wire_type ? take(sizeof(T)) : bytes();
  if (content.size() % sizeof(T) != 0)
    fail(fmt::format("field {} has {} bytes, expected a multiple of {}", field_, content.size(), sizeof(T)));
  size_t before = out.size();
  out.resize(before + content.size() / sizeof(T));
  if (!content.empty()) std::memcpy(out.data() + before, content.data(), content.size());
}

void WireReader::floats(std::vector<float>& out) { fixed(out, wire_fixed32); }
void WireReader::doubles(std::vector<double>& out) { fixed(out, wire_fixed64); }

}  // namespace hone::onnx
