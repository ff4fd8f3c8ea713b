#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace hone {

/// 128 bits that tell contents apart: good against accidents, not against people who try.
using Hash = std::array<uint64_t, 2>;

/// Of a block of memory; reads some 20 GB a second. The construction is that of XXH3 (Collet): 64-byte stripes are
/// multiplied into eight lanes, which are mixed at the end.
Hash hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0);

/// One hash of several things in order.
class Hasher {
 public:
  void add(std::span<const std::byte> bytes);
  void add(const std::string& text);
  void add(uint64_t number);
  void add(const Hash& hash);
  const Hash& value() const { return value_; }

 private:
  Hash value_{};
  uint64_t count_ = 0;
};

std::string to_hex(const Hash& hash);  ///< 32 digits

}  // namespace hone
