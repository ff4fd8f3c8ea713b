#include "base/hash.hpp"

#include <algorithm>
#include <cstring>

namespace hone {

namespace {

constexpr size_t kLanes = 8, kStripe = kLanes * 8, kBlock = 16;  // stripes between two scramblings
constexpr uint64_t kPrime32 = 0x9E3779B1, kPrime = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F;

/// A good mix of one number's bits (splitmix64, Steele et al. 2014).
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

/// Numbers without a pattern; stripe i of a block uses those from i on, so that order counts.
struct Keys {
  uint64_t at[kLanes + kBlock];
  constexpr Keys() : at() {
    for (size_t i = 0; i < kLanes + kBlock; ++i) at[i] = mix((i + 1) * kPrime);
  }
};
constexpr Keys keys;

void add_stripe(uint64_t* lanes, const char* data, size_t stripe) {
  uint64_t words[kLanes];
  std::memcpy(words, data, kStripe);
  for (size_t i = 0; i < kLanes; ++i) {
    const uint64_t keyed = words[i] ^ keys.at[stripe + i];
    lanes[i] += (keyed & 0xffffffff) * (keyed >> 32) + words[i ^ 1];
  }
}

void scramble(uint64_t* lanes) {
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = (lanes[i] ^ lanes[i] >> 47 ^ keys.at[kBlock + i]) * kPrime32;
}

}  // namespace

Hash hash_bytes(std::span<const std::byte> bytes, uint64_t seed) {
  uint64_t lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = mix(seed + i * kPrime2 + bytes.size());
  const char* data = reinterpret_cast<const char*>(bytes.data());
  size_t left = bytes.size(), stripe = 0;
  for (; left >= kStripe; left -= kStripe, data += kStripe) {
    add_stripe(lanes, data, stripe);
    if (++stripe == kBlock) scramble(lanes), stripe = 0;
  }
  if (left > 0) {
    char last[kStripe] = {};
    std::memcpy(last, data, left);
    add_stripe(lanes, last, stripe);
  }
  scramble(lanes);
  Hash hash{mix(seed ^ bytes.size()), mix(seed + kPrime)};
  for (size_t i = 0; i < kLanes; ++i) {
    hash[0] = mix(hash[0] ^ lanes[i]) + kPrime;
    hash[1] = mix(hash[1] + (lanes[kLanes - 1 - i] ^ kPrime2));
  }
  return hash;
}

void Hasher::add(const Hash& hash) {
  value_[0] = mix(value_[0] ^ hash[0]) + ++count_ * kPrime;
  value_[1] = mix(value_[1] + (hash[1] ^ kPrime2)) ^ mix(value_[0]);
}

void Hasher::add(std::span<const std::byte> bytes) { add(hash_bytes(bytes)); }
void Hasher::add(const std::string& text) { add(std::as_bytes(std::span(text))); }
void Hasher::add(uint64_t number) { add(Hash{mix(number + kPrime), number}); }

std::string to_hex(const Hash& hash) {
  std::string text;
  for (uint64_t part : hash)
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[part >> shift & 15];
  return text;
}

}  // namespace hone
