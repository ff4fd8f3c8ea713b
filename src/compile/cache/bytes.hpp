#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// How cache files hold numbers, texts and lists: in the byte order of this machine, for which alone they are.
namespace hone::cache {

/// What a reader throws when the bytes end too early or make no sense. Never leaves this folder.
struct Damaged {};

class ByteWriter {
 public:
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const std::string& text) {
    put(static_cast<uint64_t>(text.size()));
    bytes_ += text;
  }
  void put(const char* text) { put(std::string(text)); }
  template <class T>
  void put(const std::vector<T>& list) {
    put(static_cast<uint64_t>(list.size()));
    for (const T& item : list) put(item);
  }
  template <class T, size_t N>
  void put(const std::array<T, N>& list) {
    for (const T& item : list) put(item);
  }
  void append(std::span<const std::byte> bytes) {
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void get(T& value) {
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
  }
  void get(bool& value) { value = get<uint8_t>() != 0; }
  void get(std::string& text) {
    auto bytes = take(get<uint64_t>());
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  template <class T>
  void get(std::vector<T>& list) {
    list.resize(count());
    for (T& item : list) get(item);
  }
  template <class T, size_t N>
  void get(std::array<T, N>& list) {
    for (T& item : list) get(item);
  }
  template <class T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  /// A number of things that follow, each of at least a byte.
  size_t count() {
    auto number = get<uint64_t>();
    if (number > bytes_.size() - at_) throw Damaged();
    return static_cast<size_t>(number);
  }
  std::span<const std::byte> take(uint64_t size) {
    if (size > bytes_.size() - at_) throw Damaged();
    auto part = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return part;
  }
  bool done() const { return at_ == bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

}  // namespace hone::cache
