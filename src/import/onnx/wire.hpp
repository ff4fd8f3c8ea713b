#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "graph/onnx_format.hpp"

namespace hone::onnx {

/// Walks the fields of one protobuf message in a mapped file. Nothing is copied until asked for. Written on
/// protozero's varints instead of its pbf_reader because that keeps lengths in 32 bits: a longer field would be cut
/// without notice. Every problem is an Error that names the file and the byte.
class WireReader {
 public:
  explicit WireReader(std::shared_ptr<const MappedFile> file);

  /// Goes to the next field; false at the end. The field must then be read or skipped.
  bool next();
  Field field() const { return field_; }

  int64_t integer();
  float float32();
  std::string_view bytes();
  /// Text for people: bytes that are not UTF-8 become U+FFFD.
  std::string text();
  WireReader message();
  void skip();

  // Repeated numbers, packed or not; appended to `out`.
  void integers(std::vector<int64_t>& out);
  void floats(std::vector<float>& out);
  void doubles(std::vector<double>& out);

  const std::shared_ptr<const MappedFile>& file() const { return file_; }
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  uint64_t varint();
  std::string_view take(uint64_t size);
  void expect(int wire_type);
  template <class T>
  void fixed(std::vector<T>& out, int wire_type);

  std::shared_ptr<const MappedFile> file_;
  const char* cursor_;
  const char* end_;
  Field field_ = 0;
  int wire_type_ = 0;
};

/// Invalid UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view bytes);

}  // namespace hone::onnx
