#include "data/random.hpp"

#include <cmath>
#include <numbers>

namespace hone {

uint64_t mix_bits(uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

Rng::Rng(uint64_t seed, uint64_t stream) : increment_((mix_bits(stream) << 1) | 1) {
  next_u32();
  state_ += mix_bits(seed);
  next_u32();
}

Rng Rng::of(uint64_t seed, uint64_t epoch, uint64_t index) {
  return Rng(mix_bits(mix_bits(seed) ^ epoch) ^ index, mix_bits(mix_bits(index) ^ epoch));
}

uint32_t Rng::next_u32() {
  uint64_t old = state_;
  state_ = old * 6364136223846793005ULL + increment_;
  auto shifted = static_cast<uint32_t>(((old >> 18) ^ old) >> 27);
  auto turn = static_cast<uint32_t>(old >> 59);
  return (shifted >> turn) | (shifted << ((32 - turn) & 31));
}

uint64_t Rng::next_u64() {
  uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double Rng::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

uint32_t Rng::below(uint32_t bound) {
  if (bound == 0) return 0;
  // Lemire 2019: multiply and reject the few values that would be drawn once too often.
  uint64_t product = uint64_t{next_u32()} * bound;
  if (static_cast<uint32_t>(product) < bound) {
    uint32_t threshold = (0u - bound) % bound;
    while (static_cast<uint32_t>(product) < threshold) product = uint64_t{next_u32()} * bound;
  }
  return static_cast<uint32_t>(product >> 32);
}

int Rng::between(int low, int high) {
  if (high <= low) return low;
  auto span = static_cast<uint32_t>(static_cast<int64_t>(high) - low);
  return static_cast<int>(low + static_cast<int64_t>(span == UINT32_MAX ? next_u32() : below(span + 1)));
}

bool Rng::chance(double probability) { return uniform() < probability; }

double Rng::normal() {
  double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Rng::normal(double mean, double deviation) { return mean + deviation * normal(); }

}  // namespace hone
