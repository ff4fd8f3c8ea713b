#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/hash.hpp"

namespace hone {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(Hash, EveryBitOfEveryLengthCounts) {
  std::set<Hash> seen;
  size_t made = 0;
  for (size_t length : {size_t{0}, size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{65}, size_t{1024}, size_t{1500},
                        size_t{2049}}) {
    std::string text(length, 'a');
    seen.insert(hash_bytes(bytes_of(text))), ++made;
    for (size_t i = 0; i < length; ++i) {
      text[i] = static_cast<char>(text[i] ^ 1 << i % 8);
      seen.insert(hash_bytes(bytes_of(text))), ++made;
      text[i] = 'a';
    }
  }
  EXPECT_EQ(seen.size(), made);
}

TEST(Hash, OrderAndZerosCount) {
  const std::string zeros(4096, '\0');
  std::set<Hash> seen;
  for (size_t length = 0; length <= 4096; ++length)
    seen.insert(hash_bytes(std::as_bytes(std::span(zeros)).first(length)));
  EXPECT_EQ(seen.size(), 4097u);
  std::string text(4096, '\0'), swapped;
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i / 64);
  for (size_t at : {size_t{0}, size_t{64}, size_t{1024}}) {  // neighbors, and those a block apart
    swapped = text;
    for (size_t i = 0; i < 64; ++i) std::swap(swapped[at + i], swapped[at + 1024 + i]);
    EXPECT_NE(hash_bytes(bytes_of(text)), hash_bytes(bytes_of(swapped)));
    swapped = text;
    for (size_t i = 0; i < 64; ++i) std::swap(swapped[at + i], swapped[at + 64 + i]);
    EXPECT_NE(hash_bytes(bytes_of(text)), hash_bytes(bytes_of(swapped)));
  }
}

TEST(Hash, AListIsMoreThanItsContents) {
  auto of = [](const std::vector<std::string>& parts) {
    Hasher hasher;
    for (const std::string& part : parts) hasher.add(part);
    return to_hex(hasher.value());
  };
  EXPECT_EQ(of({"ab", "c"}), of({"ab", "c"}));
  EXPECT_NE(of({"ab", "c"}), of({"a", "bc"}));
  EXPECT_NE(of({"ab", "c"}), of({"c", "ab"}));
  EXPECT_NE(of({"ab"}), of({"ab", ""}));
  EXPECT_EQ(of({}).size(), 32u);
}

}  // namespace
}  // namespace hone
